"""Who is alive on this machine: a file lock per consumer, which the kernel frees however its process ends.

The locks are POSIX locks: a forked child does not inherit them, so what a task leaves behind does not keep its worker
alive. They have one weakness: a process that opens and closes the file anywhere (a task that archives its folder)
drops its own lock. So a free lock alone proves nothing while the process that took it can be seen running.
"""

import os
from pathlib import Path

from umbel.core.errors import OperationalError
from umbel.runtime import system
from umbel.runtime.unpatched import allocate_lock


class Locks:
    """The folder of lock files beside a database. Knows which of them this very process holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, name: str) -> None:
        """Lock ``name`` for as long as this process lives, or until ``drop``; lock it again if that was lost."""
        path = self.folder / name
        with _guard:
            held = _mine().get(path)
            try:
                if held is not None:
                    system.lock(held, wait=False)
                    return
                self.folder.mkdir(exist_ok=True)
                _mine()[path] = _locked(path)
            except OSError as exc:
                raise OperationalError(
                    f"cannot lock a file in {self.folder} ({exc.strerror}): this user must be allowed to write there, "
                    "and the file system must have locks and room"
                ) from exc

    def drop(self, name: str) -> None:
        """Remove the file and free the lock. Safe to repeat."""
        path = self.folder / name
        with _guard:
            held = _mine().pop(path, None)
            if held is not None:
                path.unlink(missing_ok=True)
                os.close(held)

    def alive(self, name: str, pid: int | None, life: str) -> bool:
        """Whether the process that took ``name`` may still run. ``pid`` and ``life`` are what it said of itself."""
        path = self.folder / name
        with _guard:
            if path in _mine():
                return True
            if not _is_free(path):
                return True
        return pid is not None and bool(life) and life == life_of(pid)

    def clear(self, name: str) -> None:
        """Remove what a dead process left."""
        path = self.folder / name
        with _guard:
            if path not in _mine():
                path.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """All locks there are, held or not."""
        try:
            return sorted(path.name for path in self.folder.iterdir())
        except FileNotFoundError:
            return []


def life_of(pid: int) -> str:
    """Tells this process from any other that has or had its pid: boot, pid namespace, start. ``""`` if not seen."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        space = Path("/proc/self/ns/pid").readlink()
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot} {space} {fields[19]}"


def _locked(path: Path) -> int:
    while True:
        held = os.open(path, os.O_RDWR | os.O_CREAT | system.CLOEXEC, 0o666)
        system.lock(held, wait=True)
        try:
            if path.stat().st_ino == os.fstat(held).st_ino:
                return held
        except FileNotFoundError:
            pass  # removed by somebody who found it unlocked a moment ago
        os.close(held)


def _is_free(path: Path) -> bool:
    try:
        probe = os.open(path, os.O_RDWR | system.CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        system.lock(probe, wait=False)
    except OSError:
        return False
    finally:
        os.close(probe)
    return True


# A POSIX lock belongs to the process, not to a descriptor: this process would find its own locks free, and lose them by
# looking. So it keeps a list, and starts an empty one after a fork, in which it has none.
_guard = allocate_lock()
_held: dict[Path, int] = {}
_held_by = os.getpid()


def _mine() -> dict[Path, int]:
    global _held, _held_by
    if _held_by != os.getpid():
        _held, _held_by = {}, os.getpid()
    return _held


def _fresh_guard() -> None:
    global _guard
    _guard = allocate_lock()


system.at_fork(after_in_child=_fresh_guard)
