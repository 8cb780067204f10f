"""A load of short tasks on real workers, with its ledger: called, watched, drained, and judged by the checker."""

import os
import random
import signal
from collections.abc import Callable
from typing import Any

import redis

from tests.redis.ledger import Ledger, Tally
from tests.worker.fleet import Farm, Worker, until
from tests.worker.workflows import chord, send, sig
from umbel.core.errors import OperationalError

TASK = 0.01
"""Seconds that a task of the load takes."""
_BULK = 500


class Load:
    """Tasks with keys ``0`` … ``n-1`` on a farm. ``look`` is the server as seen from outside."""

    def __init__(self, farm: Farm, look: "redis.Redis", report: Callable[[str], None] = lambda text: None) -> None:
        self.farm = farm
        self.report = report
        self.look = look
        self.ledger = Ledger(farm.ledger)
        self.ids: dict[str, str] = {}
        self.dice = random.Random()

    # Work -------------------------------------------------------------------------------------------------------------

    def publish(self, count: int, *, task: str = "sleep", seconds: float = TASK) -> None:
        """Call so many more."""
        first = len(self.ids)
        for start in range(first, first + count, _BULK):
            with self.farm._app.bulk():
                for number in range(start, min(start + _BULK, first + count)):
                    self.call(str(number), task=task, args=(seconds,))

    def call(self, key: str, *, task: str = "sleep", args: tuple[Any, ...] = (TASK,)) -> None:
        """Call one; ``chord`` is two sleeps and their body."""
        if task == "chord":
            self._call_chord(key, *args)
            return
        self.ids[key] = self.farm.send(task, key, *args).id
        self.ledger.call(key)
        if task == "retried":
            self.ledger.call(f"{key}-again")

    def _call_chord(self, key: str, seconds: float) -> None:
        members = [f"{key}-a", f"{key}-b"]
        header = [sig("sleep", member, seconds) for member in members]
        self.ids[key] = send(self.farm, chord(header, sig("sleep_after", key, seconds))).id
        for name in (key, *members):
            self.ledger.call(name)

    def reach(self, ended: int, within: float = 40.0) -> None:
        """Wait until so many different tasks have ended."""
        until(lambda: self.ledger.read().ended >= ended, within, what=f"{ended} ended; {self.farm.said()[-3000:]}")

    def runner(self) -> int:
        """The pid of the process that started the latest task of all."""
        until(lambda: self.ledger.read().latest)
        return self.ledger.latest

    # Faults -----------------------------------------------------------------------------------------------------------

    def kill(self, pid: int, what: str, *, slots: int) -> None:
        """SIGKILL, noted first."""
        self.ledger.fault(f"SIGKILL of {what}", slots=slots)
        os.kill(pid, signal.SIGKILL)

    def lose(self, worker: Worker, *, slots: int) -> None:
        """A worker with all its processes at one moment, as with a machine: nobody has time to hand anything back."""
        pids = whole(worker)
        self.freeze(pids, "a machine that is lost", slots=slots)
        # The supervisor last: a stopped group whose leader's parent ends is continued by the kernel.
        signal_all(pids[::-1], signal.SIGKILL)
        worker.wait()

    def freeze(self, pids: list[int], what: str, *, slots: int) -> None:
        """SIGSTOP, noted first."""
        self.ledger.fault(f"SIGSTOP of {what}", slots=slots)
        signal_all(pids, signal.SIGSTOP)

    def lapsed(self, ids: set[Any]) -> set[Any]:
        """Which of these consumers have no live lease by the server's clock."""
        seconds, micros = self.look.time()
        now = seconds + micros / 1e6
        live = set(self.look.zrangebyscore("umbel:consumers", f"({now}", "+inf"))
        return ids - live

    def consumers(self) -> set[Any]:
        """Who is on the register."""
        return set(self.look.zrange("umbel:consumers", 0, -1))

    # Judgement --------------------------------------------------------------------------------------------------------

    def is_empty(self) -> bool:
        """Whether nothing is in the broker any more."""
        try:
            depth = self.farm.depth()
        except OperationalError:
            return False
        return not (depth.ready or depth.delayed or depth.claimed)

    def drain(self, within: float = 60.0) -> Tally:
        """Wait until the broker is empty, stop the workers, which ends what runs, and compare."""
        until(self.is_empty, within, what=f"an empty broker; {self.farm.said()[-3000:]}")
        for worker in self.farm.workers:
            if worker.process.poll() is None:
                assert worker.stop() == 0, worker.text
        return self.tally()

    def tally(self) -> Tally:
        """Compare what was called with what ran and what is stored."""
        tally = self.ledger.tally(self.farm.said(), self.unstored() if self.farm.settings.get("backend") else ())
        self.report(str(tally))
        return tally

    def unstored(self) -> list[str]:
        """The keys that have no result."""
        keys = list(self.ids)
        found = self.look.mget([f"celery-task-meta-{self.ids[key]}" for key in keys])
        return [key for key, record in zip(keys, found, strict=True) if b'"SUCCESS"' not in (record or b"")]


def signal_all(pids: list[int], number: int) -> None:
    """Send a signal to those that live."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def whole(worker: Worker) -> list[int]:
    """A supervisor with its processes and its fork server."""
    return [worker.process.pid, *worker.descendants()]
