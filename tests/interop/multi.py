"""What a real Celery's ``multi`` says to the lines on standard input; each answer ends with an empty line."""

import shlex
import sys

from celery.bin.multi import MultiTool  # type: ignore[import-not-found]  # a dependency of the other environment

for line in sys.stdin:
    status = MultiTool(nosplash=True, no_color=True).execute_from_commandline(["multi", *shlex.split(line)])
    sys.stdout.write(f"{status}\n\n")
