"""Executes what it reads, a JSON string a line, and answers each with what ``answer`` is then, as a JSON line.

Runs in the project's own Python and imports nothing but its standard library.
"""

import io
import json
import sys
import traceback
from contextlib import redirect_stdout

names: dict[str, object] = {"__name__": "__console__"}
for line in sys.stdin:
    names["answer"] = None
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            exec(compile(json.loads(line), "<block>", "exec"), names)
        said = {"answer": names["answer"], "printed": printed.getvalue()}
    except BaseException:  # noqa: BLE001  whatever it is, the other side is told
        said = {"error": traceback.format_exc()}
    sys.stdout.write(json.dumps(said, default=repr) + "\n")
    sys.stdout.flush()
