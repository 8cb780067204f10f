"""The ledger outside the queue, and the checker that reads it: what was called, what ran, what was broken on purpose.

A task that started twice is a duplicate, whether or not it ended the first time. A fault may cost as many duplicates as
it reached slots, and one more each; without a fault nothing is ever rescued.
"""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

RESCUES = ("Rescued ", " runs again", " was lost while ", "was taken over by another worker")
"""What workers say when they redeliver something."""

STARVED = "shows no sign of life and runs nothing"
"""What a supervisor says of a process that a busy machine did not let run for a lease: a fault of one slot, as well."""


class Tally(NamedTuple):
    """The verdict on one run. ``bound`` is how many duplicates its faults excuse."""

    tasks: int
    lost: list[str]
    duplicates: list[str]
    bound: int
    rescues: list[str]

    def __str__(self) -> str:
        doubled = f"{len(self.duplicates)} duplicates of {self.bound} excused"
        return f"{self.tasks} tasks, {len(self.lost)} lost, {doubled}, {len(self.rescues)} lines about rescues"

    def problems(self) -> list[str]:
        """What breaks a guarantee, in one sentence each."""
        found = []
        if self.lost:
            found.append(f"{len(self.lost)} of {self.tasks} tasks lost: {self.lost[:5]}")
        if len(self.duplicates) > self.bound:
            found.append(f"{len(self.duplicates)} duplicates where {self.bound} are excused: {self.duplicates[:5]}")
        if self.rescues and not self.bound:
            found.append(f"rescued without a fault: {self.rescues[:3]}")
        return found


class Ledger:
    """A file that tasks append to, read as far as it is whole. Knows which keys were called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.called: Counter[str] = Counter()
        self.starts: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.excused = 0
        self.latest = 0
        """The pid of the process that started the latest task."""
        self._at = 0

    def call(self, key: object) -> None:
        """This one was called."""
        self.called[str(key)] += 1

    def fault(self, what: str, *, slots: int) -> None:
        """Note a fault, before it is done: it reaches so many slots. 0: it may cost no duplicate at all."""
        line = f"0 {os.getpid()} fault {what.replace(' ', '-')} {slots}\n"
        ledger = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        os.write(ledger, line.encode())
        os.close(ledger)

    def read(self) -> "Ledger":
        """Read what came since the last time."""
        with self.path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.decode().splitlines():
            _, pid, verb, key, *rest = line.split(" ")
            if verb == "start":
                self.starts[key] += 1
                self.latest = int(pid)
            elif verb == "end":
                self.ends[key] += 1
            elif verb == "fault":
                self.excused += int(rest[0]) + 1 if int(rest[0]) else 0
        return self

    @property
    def ended(self) -> int:
        """How many different tasks have ended."""
        return len(self.ends)

    def tally(self, said: str = "", unstored: Iterable[str] = ()) -> Tally:
        """Compare. ``said`` is what workers logged; ``unstored`` are keys without a result, which are lost too."""
        self.read()
        lost = [key for key in self.called if not self.ends[key]] + [f"{key} (no result)" for key in unstored]
        duplicates = [key for key, count in self.starts.items() for _ in range(count - self.called.get(key, 1))]
        rescues = [line for line in said.splitlines() if any(mark in line for mark in RESCUES)]
        starved = sum(STARVED in line for line in said.splitlines())
        return Tally(len(self.called), lost, duplicates, self.excused + 2 * starved, rescues)
