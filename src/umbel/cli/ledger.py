"""What the demo reads in its ledger: which process runs which file. Reads and signals; writes nothing."""

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Start(NamedTuple):
    """One line of the ledger: a process began a file."""

    pid: int
    path: str


@dataclass
class Ledger:
    """The ledger, read as far as it was written."""

    file: Path
    starts: list[Start] = field(default_factory=list)
    running: dict[int, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    _position: int = 0

    def read(self) -> None:
        """Take in what was written since last time; a line that is not whole yet waits."""
        if not self.file.exists():
            return
        with self.file.open("rb") as file:
            file.seek(self._position)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.decode("utf-8", "surrogateescape").splitlines():
            what, pid, path = line.split("\t", 2)
            self._take(what, int(pid), path)

    def kill_one(self) -> Start | None:
        """SIGKILL a process that runs a file at this moment, or None if none could be caught doing so.

        It is stopped first. What the ledger then says of it stays true until it is killed, because it writes nothing.
        """
        for pid in list(self.running):
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                continue
            await_stop(pid)
            self.read()
            caught = self.running.get(pid)
            os.kill(pid, signal.SIGCONT if caught is None else signal.SIGKILL)
            if caught is not None:
                return Start(pid, caught)
        return None

    def ran_again(self, killed: Start) -> int | None:
        """The process that began the file of a killed one after it, or None as long as there is none."""
        since = len(self.starts) - self.starts[::-1].index(killed)
        return next((start.pid for start in self.starts[since:] if start.path == killed.path), None)

    def _take(self, what: str, pid: int, path: str) -> None:
        if what == "start":
            self.starts.append(Start(pid, path))
            self.running[pid] = path
        else:
            self.running.pop(pid, None)
            self.ended.add(path)


def await_stop(pid: int) -> None:
    """Return when a process that was told to stop has stopped: another core may need a moment for it."""
    while state_of(pid) not in "TtZX":
        os.sched_yield()


def state_of(pid: int) -> str:
    """The kernel's letter for a process; ``X`` where it is gone, or where there is no /proc to say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "X"
