"""Probes: named places where a test has a process killed. They do nothing unless the environment arms one.

``UMBEL_KILL_AT=NAME:COUNT:FOLDER`` kills processes by SIGKILL as they reach the probe for the COUNT-th time: as many as
there are files in FOLDER, of which each takes one along.
"""

import os
import signal
from itertools import count
from pathlib import Path

_name, _, _rest = os.environ.get("UMBEL_KILL_AT", "").partition(":")
_reached = count(1)


def reach(name: str) -> None:
    """Say that a place is reached. Never returns where it is armed and due."""
    if name == _name:
        _die_if_due()


def _die_if_due() -> None:
    times, _, folder = _rest.partition(":")
    if next(_reached) < int(times):
        return
    for token in Path(folder).iterdir():
        try:
            token.unlink()
        except FileNotFoundError:
            continue  # another process was quicker
        os.kill(os.getpid(), signal.SIGKILL)
