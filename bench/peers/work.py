"""What the tasks of every peer do, and what they are told through the environment. Imports no peer."""

import os
import time

REDIS = os.environ.get("PEERS_REDIS", "redis://127.0.0.1:6379/0")
RESULTS = os.environ.get("PEERS_RESULTS") == "1"
MARKS = os.environ.get("PEERS_MARKS", os.devnull)
"""The file to which ``mark`` appends."""
LOOPS = int(os.environ.get("PEERS_LOOPS", "10000"))
"""How often ``spin`` goes round, so that it takes a millisecond alone."""

marks = os.open(MARKS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def noop(number: int) -> int | None:
    return number if RESULTS else None


def mark(number: int) -> int | None:
    """Note when the drain came past here: one line with the number and the machine's monotonic time."""
    os.write(marks, f"{number} {time.monotonic()}\n".encode())
    return noop(number)


def spin(number: int) -> int | None:
    """A millisecond of pure Python, which never lets go of the interpreter by itself."""
    turn(LOOPS)
    return noop(number)


def turn(loops: int) -> int:
    total = 0
    for step in range(loops):
        total += step & 7
    return total
