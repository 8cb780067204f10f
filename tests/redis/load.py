"""A load of short tasks on real workers, with its ledger: called, watched, drained, and judged by the checker."""

import os
import random
import signal
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import redis

from tests.worker.fleet import Farm, Worker, until
from tests.worker.workflows import chord, send, sig
from umbel.core.errors import OperationalError
from umbel.testing.ledger import LEDGER, Entry, Ledger
from umbel.testing.verdict import Verdict, judge
from umbel.testing.witness import WITNESS

TASK = 0.01
"""Seconds that a task of the load takes."""
_BULK = 500


class Load:
    """Tasks with keys ``0`` … ``n-1`` on a farm. ``look`` is the server as seen from outside, if there is one."""

    def __init__(
        self, farm: Farm, look: "redis.Redis | None", report: Callable[[str], None] = lambda text: None
    ) -> None:
        self.farm = farm
        self.report = report
        self._look = look
        self.ledger = Ledger(farm.ledger)
        farm.environment |= {LEDGER: str(farm.ledger), WITNESS: "1"}
        self.entries: list[Entry] = []
        self.starts: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.latest = 0
        """The pid of the process that started the latest task."""
        self.ids: dict[str, str] = {}
        self.dice = random.Random()

    @property
    def look(self) -> "redis.Redis":
        """The server as seen from outside."""
        assert self._look is not None
        return self._look

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
        id = self.ids.setdefault(key, uuid.uuid4().hex)
        keys = (key, f"{key}-again") if task == "retried" else (key,)
        stored = {"id": id} if self.farm.settings.get("backend") else {}
        for name in keys:
            self.ledger.note("call", name, **stored if name == key else {})
        self.farm.send(task, key, *args, task_id=id)
        for name in keys:
            self.ledger.note("called", name)

    def _call_chord(self, key: str, seconds: float) -> None:
        members = [f"{key}-a", f"{key}-b"]
        header = [sig("sleep", member, seconds) for member in members]
        for name in (key, *members):
            self.ledger.note("call", name, **{"body": 1} if name == key else {})
        self.ids[key] = send(self.farm, chord(header, sig("sleep_after", key, seconds))).id
        for name in (key, *members):
            self.ledger.note("called", name)

    def read(self) -> "Load":
        """Take in what was written since the last time."""
        for entry in self.ledger.read():
            self.entries.append(entry)
            if entry.verb == "start":
                self.starts[entry.key] += 1
                self.latest = entry.pid
            elif entry.verb == "end":
                self.ends[entry.key] += 1
        return self

    @property
    def ended(self) -> int:
        """How many different tasks have ended."""
        return len(self.ends)

    def reach(self, ended: int, within: float = 40.0) -> None:
        """Wait until so many different tasks have ended."""
        until(lambda: self.read().ended >= ended, within, what=f"{ended} ended; {self.farm.said()[-3000:]}")

    def runner(self) -> int:
        """The pid of the process that started the latest task of all."""
        until(lambda: self.read().latest)
        return self.latest

    # Faults -----------------------------------------------------------------------------------------------------------

    def fault(self, what: str, *pids: int, slots: int) -> None:
        """Note a fault, before it is done: it reaches these processes, and so many slots. 0: it excuses nothing."""
        self.ledger.note("fault", what, pids=",".join(map(str, pids)), slots=slots)

    def kill(self, what: str, *pids: int, slots: int) -> None:
        """SIGKILL of the first of these processes, noted first: the others have it for their supervisor."""
        self.fault(f"SIGKILL of {what}", *pids, slots=slots)
        os.kill(pids[0], signal.SIGKILL)

    def lose(self, worker: Worker, *, slots: int) -> None:
        """A worker with all its processes at one moment, as with a machine: nobody has time to hand anything back."""
        pids = whole(worker)
        self.freeze(pids, "a machine that is lost", slots=slots)
        # The supervisor last: a stopped group whose leader's parent ends is continued by the kernel.
        signal_all(pids[::-1], signal.SIGKILL)
        worker.wait()

    def freeze(self, pids: list[int], what: str, *, slots: int) -> None:
        """SIGSTOP, noted first."""
        self.fault(f"SIGSTOP of {what}", *pids, slots=slots)
        signal_all(pids, signal.SIGSTOP)

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

    def drain(self, within: float = 60.0) -> Verdict:
        """Wait until the broker is empty, stop the workers, which ends what runs, and judge."""
        until(self.is_empty, within, what=f"an empty broker; {self.farm.said()[-3000:]}")
        for worker in self.farm.workers:
            if worker.process.poll() is None:
                assert worker.stop() == 0, worker.text
        return self.verdict()

    def verdict(self) -> Verdict:
        """Write down what is stored, and judge."""
        store = self.farm._app.store if self.farm.settings.get("backend") else None
        if store is not None:
            keys = {id: key for key, id in self.ids.items()}
            for id, record in store.sync.read(list(keys)).items():
                self.ledger.note("seen", keys[id], record.status)
        self.read()
        verdict = judge(self.entries)
        self.report(str(verdict))
        return verdict


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
