"""The command line: one file per command. Nothing below imports it, and no command is imported before it is used."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

try:
    from umbel.cli.group import root
    from umbel.cli.session import run
except KeyboardInterrupt:  # that early nobody else is there to take it
    sys.stderr.write("stopped\n")
    sys.exit(130)

if TYPE_CHECKING:
    from umbel import Umbel


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``umbel`` with ``argv`` (default: the process's own arguments) and exit with its status."""
    sys.exit(run(root, sys.argv[1:] if argv is None else list(argv)))


def run_for(app: "Umbel", arguments: Sequence[str]) -> int:
    """Run ``umbel`` for an app that is at hand, and return its status. ``-A`` would name another, and has no say."""
    return run(root, arguments, app=app)
