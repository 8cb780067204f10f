"""What differs between operating systems, in one place: forks, signals, file locks. POSIX, or the nearest there is.

Every other module imports on any platform; what only POSIX can do says so when it is asked for.
"""

import faulthandler
import os
import signal
import sys
from collections.abc import Callable

try:
    import fcntl
except ImportError:
    pass  # locks are those of msvcrt

try:
    import resource
except ImportError:
    pass  # nobody counts

if sys.platform == "win32":
    import msvcrt

HAS_FCNTL = "fcntl" in globals()
CLOEXEC: int = getattr(os, "O_CLOEXEC", 0)
"""Without it, Python's descriptors are not inherited anyway."""


def _known(*names: str) -> tuple[signal.Signals, ...]:
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


STOPS = _known("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP")
"""Signals that tell a program to stop."""
BREAKS = frozenset(_known("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL"))
"""Signals by which a process breaks of itself."""
QUIT: int | None = getattr(signal, "SIGQUIT", None)
KILL: int = getattr(signal, "SIGKILL", signal.SIGTERM)


def can_fork() -> bool:
    """Whether processes can be forked here, told apart from others of their number, and handed sockets."""
    return all(hasattr(os, name) for name in ("fork", "pidfd_open")) and hasattr(signal, "pthread_sigmask")


def at_fork(
    *,
    before: Callable[[], object] | None = None,
    after_in_parent: Callable[[], object] | None = None,
    after_in_child: Callable[[], object] | None = None,
) -> None:
    """``os.register_at_fork``, where there are forks."""
    if not hasattr(os, "register_at_fork"):
        return
    given = {"before": before, "after_in_parent": after_in_parent, "after_in_child": after_in_child}
    os.register_at_fork(**{name: function for name, function in given.items() if function is not None})


def dump_when_asked() -> None:
    """Have SIGUSR1 write the stacks of all threads to standard error, where there are both."""
    if hasattr(signal, "SIGUSR1") and sys.__stderr__ is not None:
        faulthandler.register(signal.SIGUSR1, file=sys.__stderr__)


def block_signals() -> None:
    """Have this thread take no signals: they are the main thread's."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def lock(descriptor: int, *, wait: bool) -> None:
    """Take a file for this process, until it ends or closes any descriptor of it. Raises ``OSError``."""
    if HAS_FCNTL:
        fcntl.lockf(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        raise OSError("this platform has no file locks")


def lock_for_life(descriptor: int) -> bool:
    """Take a folder or file for as long as the descriptor is open anywhere. False: it is taken, or cannot be."""
    if not HAS_FCNTL:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def highest_memory() -> int:
    """The most memory that this process had in use, in KiB; 0 where nobody counts."""
    if "resource" not in globals():
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // 1024 if sys.platform == "darwin" else most
