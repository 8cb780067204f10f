"""What the tasks of every peer do, and what they are told through the environment. Imports no peer."""

import asyncio
import os
import time

REDIS = os.environ.get("PEERS_REDIS", "redis://127.0.0.1:6379/0")
RESULTS = os.environ.get("PEERS_RESULTS") == "1"
MARKS = os.environ.get("PEERS_MARKS", os.devnull)
"""The file to which ``mark`` appends."""
LOOPS = int(os.environ.get("PEERS_LOOPS", "10000"))
"""How often ``spin`` goes round, so that it takes about a millisecond."""

EVERY = 50
"""One task of so many is a mark."""
AT_ONCE = int(os.environ.get("PEERS_AT_ONCE", "0"))
"""How many tasks are to run at once, for those who are told in their file; 0: as it says there."""
NAP = 0.01
"""Seconds that ``nap`` waits, as for a network."""

marks = os.open(MARKS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


own = 0.0
"""Seconds that ``spin`` has had a processor in this process. What others took in between is not in it."""


def noop(number: int) -> int | None:
    return number if RESULTS else None


def mark(number: int) -> int | None:
    """Note when the drain came past here: the number, the machine's monotonic time, and ``own``."""
    os.write(marks, f"{number} {time.monotonic()} {own}\n".encode())
    return noop(number)


def nap(number: int) -> int | None:
    """Wait as for a network. These mark by themselves, so that all are alike."""
    time.sleep(NAP)
    return noop(number) if number % EVERY else mark(number)


async def anap(number: int) -> int | None:
    """As ``nap``, without a thread."""
    await asyncio.sleep(NAP)
    return noop(number) if number % EVERY else mark(number)


def spin(number: int) -> int | None:
    """About a millisecond of pure Python, which never lets go of the interpreter by itself."""
    global own
    started = time.thread_time()
    turn(LOOPS)
    own += time.thread_time() - started
    return noop(number)


def turn(loops: int) -> int:
    total = 0
    for step in range(loops):
        total += step & 7
    return total
