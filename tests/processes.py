"""Find the processes that a test started, however they were started and whoever their parent is now (Linux)."""

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

MARK = "UMBEL_TEST_MARK"
SERVERS: set[int] = set()
"""Pids of servers that outlive a test on purpose: they are no processes left behind."""

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.command})"

    def ends_within(self, seconds: float) -> bool:
        try:
            watch = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            return bool(select.select([watch], [], [], seconds)[0])
        finally:
            os.close(watch)

    def kill(self) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def started_by(mark: str) -> list[Process]:
    """The living processes that carry ``mark`` in their environment, and the children of this one."""
    return [process for entry in PROC.glob("[0-9]*") if (process := _read(entry, mark)) is not None]


def _read(entry: Path, mark: str) -> Process | None:
    pid = int(entry.name)
    if pid == os.getpid() or pid in SERVERS:
        return None
    try:
        state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        marked = f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0")
    except (OSError, ValueError):  # it ended while we looked, or belongs to somebody else
        return None
    if state == "Z" or "resource_tracker" in command or not (marked or int(parent) == os.getpid()):
        return None
    return Process(pid, command)
