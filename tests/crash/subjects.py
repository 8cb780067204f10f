"""What runs while everything is broken on purpose: tasks that write their starts and ends into the ledger.

``CRASH_SETTINGS`` are the application's settings, ``CRASH_CLOCK`` a file with seconds by which wall time is wrong.
"""

import asyncio
import ctypes
import json
import mmap
import os
import resource
import struct
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from umbel import Reject, Task, Umbel
from umbel.runtime.clock import SYSTEM, SystemClock
from umbel.testing import failpoints, witness
from umbel.testing.ledger import LEDGER, Ledger

MEGABYTE = 1 << 20
GREED = 192
"""Megabytes that a task takes which is ended for it."""


class WrongClock(SystemClock):
    """Wall time that jumps whenever the file says so, for all who have it open."""

    def __init__(self, path: str) -> None:
        with Path(path).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)

    def now(self) -> float:
        return SYSTEM.now() + float(struct.unpack("d", self._map[:8])[0])


SETTINGS: dict[str, Any] = json.loads(os.environ.get("CRASH_SETTINGS", "{}"))
_clock = os.environ.get("CRASH_CLOCK")
app = Umbel("crash", clock=WrongClock(_clock) if _clock else SYSTEM, **SETTINGS)
failpoints.install(app)
witness.install(app)
ledger = Ledger(Path(os.environ.get(LEDGER, os.devnull)))


def start(task: Task[..., Any], key: str) -> None:
    ledger.note("start", key, id=task.request.id)


@app.task(bind=True)
def work(self: Task[..., Any], key: str, seconds: float) -> str:
    start(self, key)
    time.sleep(seconds)
    ledger.note("end", key)
    return key


@app.task(bind=True)
async def work_async(self: Task[..., Any], key: str, seconds: float) -> str:
    start(self, key)
    await asyncio.sleep(seconds)
    ledger.note("end", key)
    return key


@app.task(bind=True, rate_limit="20/s")
def limited(self: Task[..., Any], key: str) -> str:
    """What is over its rate is parked."""
    start(self, key)
    ledger.note("end", key)
    return key


@app.task(bind=True)
def again(self: Task[..., Any], key: str) -> str:
    """Runs twice by one retry; the second run has a key of its own."""
    mine = f"{key}-again" if self.request.retries else key
    start(self, mine)
    ledger.note("end", mine)
    if not self.request.retries:
        raise self.retry(countdown=0.2)
    return key


@app.task(bind=True)
def fails(self: Task[..., Any], key: str) -> None:
    start(self, key)
    ledger.note("left", key)
    raise ValueError(key)


@app.task(bind=True)
def refuses(self: Task[..., Any], key: str) -> None:
    start(self, key)
    ledger.note("left", key)
    raise Reject("not for us", requeue=False)


@app.task(bind=True)
def gather(self: Task[..., Any], values: list[str], key: str) -> list[str]:
    """The body of a chord: what it gets is what each member came to, once and in order."""
    start(self, key)
    if values != [f"{key}-{letter}" for letter in "abc"]:
        ledger.note("left", key, *values)
        raise AssertionError(values)
    time.sleep(0.02)
    ledger.note("end", key)
    return values


@app.task(bind=True)
def tick(self: Task[..., Any], /, **named: Any) -> None:
    """Called by a beat, for one due time of one entry."""
    headers = self.request.headers or {}
    due = datetime.fromisoformat(headers["periodic_task_due"]).timestamp()
    key = f"{headers['periodic_task_name']}@{round(due * 1000)}"
    start(self, key)
    ledger.note("end", key)


# What breaks its process ----------------------------------------------------------------------------------------------


@app.task(bind=True, autoretry_for=(MemoryError,), default_retry_delay=0)
def breaks(self: Task[..., Any], key: str, how: str, slots: int) -> str:
    """Breaks the process the first time."""
    start(self, key)
    mark = Path(os.environ["CRASH_MARKS"]) / key
    if not mark.exists():
        mark.touch()
        if how != "grows":  # then whoever ends it says so
            facts = {"fails": 1} if how == "limits" else {"dies": 1}
            ledger.note("fault", how, pids=os.getpid(), slots=slots, **facts)
        getattr(Breakage, how)()
        ledger.note("left", key)
        raise MemoryError(how)
    ledger.note("end", key)
    return key


class Breakage:
    """Ways to break it."""

    @staticmethod
    def exits() -> None:
        os._exit(3)

    @staticmethod
    def segfaults() -> None:
        ctypes.string_at(0)

    @staticmethod
    def limits() -> None:
        """A limit of the address space: everything in the process that needs memory fails for a moment."""
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        old = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (now + 16 * MEGABYTE, old[1]))
        kept: list[bytearray] = []
        try:
            for _ in range(GREED):
                kept.append(bytearray(MEGABYTE))
        except MemoryError:
            time.sleep(0.05)  # with nothing left, for whoever else lives here
        finally:
            kept.clear()
            resource.setrlimit(resource.RLIMIT_AS, old)

    @staticmethod
    def grows() -> None:
        """Grow until somebody outside ends the process, as a cgroup does."""
        kept = [bytearray(b"x" * MEGABYTE) for _ in range(GREED)]
        ledger.note("hungry", len(kept))
        time.sleep(60)
