"""Process plumbing of the operating system: who died, who is stopped, whose orphans are ours. Knows no worker."""

import ctypes
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path

from umbel.runtime.system import KILL

_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> bool:
    """Become the parent of orphaned descendants (Linux). Says whether that worked."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def open_pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where there is none, or no such process."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped (state T: SIGSTOP, a debugger)."""
    return _state(pid) in ("T", "t")


def is_ended(pid: int) -> bool:
    """Whether the process has ended, and its parent has not asked how (state Z)."""
    return _state(pid) == "Z"


def _state(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()[0]


def kill(pid: int, number: int = KILL) -> None:
    """Send a signal to a process that may be gone already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def kill_by(pidfd: int, number: int = KILL) -> None:
    """Send a signal to the process of a pidfd, and never to another that has its pid by now."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        pass


def reap_orphans(ours: Collection[int]) -> None:
    """Wait for orphans that a subreaper inherited and that have ended. ``ours`` are children somebody waits for."""
    if not hasattr(os, "waitid"):
        return
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid in ours:
                return
            os.waitpid(ended.si_pid, 0)
        except ChildProcessError:
            return


def other_threads() -> list[str]:
    """Threads of this process besides the calling one, Python's and foreign ones, by name."""
    try:
        tasks = list(Path("/proc/self/task").iterdir())
    except OSError:
        return []
    names = [(task / "comm").read_text().strip() for task in tasks if task.name != str(os.getpid())]
    return sorted(names)


def open_sockets() -> list[str]:
    """The sockets that this process has open besides its standard streams, as the kernel names them."""
    found: list[str] = []
    try:
        descriptors = list(Path("/proc/self/fd").iterdir())
    except OSError:
        return found
    for descriptor in descriptors:
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:") and int(descriptor.name) > 2:
            found.append(target)
    return found


def describe_status(status: int) -> tuple[int | None, int | None]:
    """``(signal, exit code)`` of a wait status: one of them is None."""
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status), None
    return None, os.waitstatus_to_exitcode(status)


def signal_number(name: str) -> int:
    """9 for ``SIGKILL``, and for what is no signal here: marks may come from a system that has others."""
    return int(getattr(signal, name, KILL)) if name.startswith("SIG") else KILL


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
