"""The ledger: what was called, ran, was seen and was broken, in a file outside of the queue. Gives no verdicts.

A line is ``AT PID VERB KEY NAME=VALUE …``, written whole by one ``write`` on a descriptor that appends, so that many
processes write at once and what a killed one has written stays. ``AT`` is monotonic seconds, comparable between the
processes of one machine. ``umbel.testing.verdict`` judges what is written there.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from umbel.runtime.clock import SYSTEM

LEDGER = "UMBEL_LEDGER"
"""The variable that names the file."""


class Entry(NamedTuple):
    """One line. ``facts`` are its ``NAME=VALUE`` words; ``words`` all others behind the key."""

    at: float
    pid: int
    verb: str
    key: str
    words: tuple[str, ...] = ()
    facts: dict[str, str] = {}

    def __str__(self) -> str:
        facts = [f"{name}={value}" for name, value in self.facts.items()]
        return " ".join((f"{self.at:.6f}", str(self.pid), self.verb, self.key, *self.words, *facts))

    @property
    def pids(self) -> frozenset[int]:
        """The processes that a line names: ``pids=1,2,3``."""
        return frozenset(int(pid) for pid in self.facts.get("pids", "").split(",") if pid)


def parse(line: str) -> Entry:
    """The entry of a whole line."""
    at, pid, verb, *rest = line.split(" ")
    key, *words = rest or [""]
    facts = dict(word.split("=", 1) for word in words if "=" in word)
    return Entry(float(at), int(pid), verb, key, tuple(word for word in words if "=" not in word), facts)


class Ledger:
    """One file. Writes from any process; ``read`` returns what came since the last time, as far as it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0

    def note(self, verb: str, key: object, *words: object, **facts: object) -> None:
        """Write a line. What is given has no white space, or it is replaced."""
        named = [f"{name}={value}" for name, value in facts.items()]
        texts = ("-".join(str(word).split()) for word in (verb, key, *words, *named))
        line = " ".join((f"{SYSTEM.monotonic():.6f}", str(os.getpid()), *texts)) + "\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, line.encode())
        os.close(file)

    def read(self) -> Iterator[Entry]:
        """What was written since the last time."""
        with self.path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        return map(parse, whole.decode().splitlines())
