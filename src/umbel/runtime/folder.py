"""A folder for as long as a process lives: made in memory where there is such a place, and cleared up after the dead.

The folder is locked while its owner lives. Whoever makes one removes those that nobody has locked.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from umbel.runtime import system

_PREFIX = "umbel-"
_UNBORN = ".umbel-"


@contextmanager
def folder_for_life(root: Path | None = None) -> Iterator[Path]:
    """A new folder, removed at the end. After a death by SIGKILL the next caller on this machine removes it."""
    root = root or home()
    clear(root)
    unborn = Path(tempfile.mkdtemp(prefix=_UNBORN, dir=root))
    lock = _locked(unborn)
    path = unborn.with_name(unborn.name[1:])
    unborn.rename(path)  # only now may others look at it, and it is locked by now
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def home() -> Path:
    """Where such folders are made: in memory, or else among the system's temporary files."""
    return _memory() or Path(tempfile.gettempdir())


def folders(root: Path | None = None) -> Iterator[Path]:
    """The folders of this user's processes; root's: of everybody's. Of those that are gone, too."""
    user = os.getuid() if hasattr(os, "getuid") else None
    for path in sorted((root or home()).glob(f"{_PREFIX}*")):
        try:
            if path.is_dir() and not path.is_symlink() and user in (0, None, path.stat().st_uid):
                yield path
        except OSError:
            continue  # it has gone meanwhile


def clear(root: Path) -> None:
    """Remove the folders of owners that are gone."""
    if not system.HAS_FCNTL:
        return  # nobody can tell whose owner is gone
    for path in root.glob(f"{_PREFIX}*"):
        try:
            if path.is_symlink() or not path.is_dir() or path.stat().st_uid != os.getuid():
                continue
        except OSError:
            continue  # it has gone meanwhile
        if (lock := _locked(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _locked(path: Path) -> int | None:
    """Lock it; None if somebody has. A lock of ``flock`` ends with its owner, whatever that one has forked: children
    would share the descriptor, so it closes on exec, and the worker's fork server is older than the folder.
    """
    if not system.HAS_FCNTL:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    if system.lock_for_life(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _memory() -> Path | None:
    """Boards belong in memory."""
    path = Path("/dev/shm")
    return path if path.is_dir() and os.access(path, os.W_OK) else None
