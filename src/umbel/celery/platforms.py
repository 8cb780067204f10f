"""Celery's ``platforms``: statuses, users, signals and pid files, as the system has them. Detaches nothing."""

import errno
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from umbel.celery import offered
from umbel.runtime import children
from umbel.runtime.pidfile import PidfileTaken as LockFailed
from umbel.runtime.pidfile import lives, number_in, pidfile
from umbel.runtime.privileges import become, ids

SYSTEM = platform.system()
EX_OK = os.EX_OK
EX_FAILURE = 1
EX_UNAVAILABLE = os.EX_UNAVAILABLE
EX_USAGE = os.EX_USAGE
EX_CANTCREAT = os.EX_CANTCREAT
IS_macOS = SYSTEM == "Darwin"
IS_WINDOWS = SYSTEM == "Windows"
SIGNAMES = {one.name for one in signal.Signals}
SIGMAP = {one: one.name for one in signal.Signals}


def pyimplementation() -> str:
    """The name of this Python."""
    return platform.python_implementation()


def get_errno_name(n: int | str) -> int:
    """The number of an error by its name (``ENOENT``); a number as it is."""
    return int(getattr(errno, n)) if isinstance(n, str) else n


@contextmanager
def ignore_errno(*errnos: int | str, **kwargs: Any) -> Iterator[None]:
    """A block in which errors of the system of these numbers or names are passed over. ``types``: which classes."""
    numbers = {get_errno_name(one) for one in errnos}
    kinds: tuple[type[BaseException], ...] = kwargs.get("types") or (Exception,)
    try:
        yield
    except kinds as error:
        if getattr(error, "errno", None) not in numbers:
            raise


def isatty(fh: Any) -> bool:
    """Whether it is a terminal."""
    try:
        return bool(fh.isatty())
    except AttributeError:
        return False


# Files ----------------------------------------------------------------------------------------------------------------


def get_fdmax(default: int | None = None) -> int | None:
    """How many descriptors this process may have open, or ``default``."""
    try:
        found = os.sysconf("SC_OPEN_MAX")
    except (OSError, ValueError):
        return default
    return found if found > 0 else default


def fd_by_path(paths: Any) -> list[int]:
    """The open descriptors of these files."""
    wanted = {(found.st_dev, found.st_ino) for found in map(os.stat, paths)}

    def is_wanted(descriptor: int) -> bool:
        try:
            found = os.fstat(descriptor)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) in wanted

    return [descriptor for descriptor in range(get_fdmax(2048) or 2048) if is_wanted(descriptor)]


class Pidfile:
    """A file with this process's number, held from ``acquire`` to ``release``."""

    path: Any = None

    def __init__(self, path: Any) -> None:
        self.path = str(Path(path).absolute())
        self._held: ExitStack | None = None

    def acquire(self) -> "Pidfile":
        """Write it. Raises ``LockFailed`` if a process that lives holds it."""
        if self._held is not None:
            return self
        held = ExitStack()
        held.enter_context(pidfile(Path(self.path)))
        self._held = held
        return self

    __enter__ = acquire

    def is_locked(self) -> bool:
        """Whether the file is there."""
        return Path(self.path).exists()

    def release(self, *args: Any) -> None:
        """Remove it, if it is ours."""
        held, self._held = self._held, None
        if held is not None:
            held.close()

    __exit__ = release

    def read_pid(self) -> int | None:
        """The number in it. Raises ``ValueError`` for a file without one; None where there is no file."""
        number = number_in(Path(self.path))
        if number is None and self.is_locked():
            raise ValueError(f"Invalid pidfile contents: {self.path}")
        return number

    def remove(self) -> None:
        """Remove it, whoever's it is."""
        Path(self.path).unlink(missing_ok=True)

    def remove_if_stale(self) -> bool:
        """Remove it if no process lives that holds it; says whether there is none now."""
        number = number_in(Path(self.path))
        if number is not None and number != os.getpid() and lives(number):
            return False
        self.remove()
        return True

    def write_pid(self) -> None:
        """Write it over whatever is there."""
        Path(self.path).write_text(f"{os.getpid()}\n")


PIDFile = Pidfile


def create_pidlock(pidfile: Any) -> Pidfile:
    """A ``Pidfile`` that is held. Exits with a status of its own where another process holds it."""
    found = Pidfile(pidfile)
    try:
        return found.acquire()
    except LockFailed as error:
        print(f"ERROR: {error}", file=sys.stderr)  # noqa: T201  who calls this is a program
        raise SystemExit(EX_CANTCREAT) from error


# Users ----------------------------------------------------------------------------------------------------------------


def parse_uid(uid: Any) -> int:
    """The number of a user, by its name or number. Raises ``CannotBecome``, whose text names it."""
    return ids(str(uid), None)[0]


def parse_gid(gid: Any) -> int:
    """The number of a group, by its name or number."""
    return ids(None, str(gid))[1]


def setuid(uid: Any) -> None:
    """Become this user, by its name or number."""
    os.setuid(parse_uid(uid))


def setgid(gid: Any) -> None:
    """Become this group, by its name or number."""
    os.setgid(parse_gid(gid))


def setgroups(groups: Any) -> None:
    """Belong to these groups."""
    os.setgroups([parse_gid(group) for group in groups])


def initgroups(uid: int, gid: int) -> None:
    """Belong to the groups of a user."""
    import pwd

    os.initgroups(pwd.getpwuid(uid).pw_name, gid)


def maybe_drop_privileges(uid: Any = None, gid: Any = None) -> None:
    """Become this user and group for good, if one is named."""
    become(None if uid is None else str(uid), None if gid is None else str(gid))


# Signals --------------------------------------------------------------------------------------------------------------


def signal_name(signum: int) -> str:
    """``HUP`` for 1."""
    return children.signal_name(signum).removeprefix("SIG")


class Signals:
    """Signal handlers by the signals' names: ``signals["TERM"] = handler``."""

    ignored = signal.SIG_IGN
    default = signal.SIG_DFL

    def signum(self, name: str | int) -> int:
        """The number of a signal, by its name with or without ``SIG``. Raises ``AttributeError``."""
        if isinstance(name, int):
            return name
        return int(getattr(signal, name if name.startswith("SIG") else f"SIG{name}"))

    def supported(self, name: str) -> bool:
        """Whether this system has it."""
        try:
            return bool(self.signum(name))
        except AttributeError:
            return False

    def reset(self, *signal_names: str) -> None:
        """Have them do what they do by default."""
        self.update(dict.fromkeys(signal_names, self.default))

    def ignore(self, *names: str) -> None:
        """Have them do nothing."""
        self.update(dict.fromkeys(names, self.ignored))

    def arm_alarm(self, seconds: float) -> None:
        """SIGALRM after so many seconds."""
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def reset_alarm(self) -> int:
        """No SIGALRM; returns the seconds that were left."""
        return signal.alarm(0)

    def __getitem__(self, name: str) -> Any:
        return signal.getsignal(self.signum(name))

    def __setitem__(self, name: str, handler: Any) -> None:
        try:
            signal.signal(self.signum(name), handler)
        except (AttributeError, ValueError):
            pass  # this system has no such signal, or this is not the main thread: as Celery has it

    def update(self, _d_: Mapping[str, Callable[..., Any] | int] | None = None, **sigmap: Any) -> None:
        """Set several."""
        for name, handler in {**(_d_ or {}), **sigmap}.items():
            self[name] = handler


signals = Signals()

__all__ = [
    "EX_CANTCREAT",
    "EX_FAILURE",
    "EX_OK",
    "EX_UNAVAILABLE",
    "EX_USAGE",
    "IS_WINDOWS",
    "SIGMAP",
    "SIGNAMES",
    "SYSTEM",
    "IS_macOS",
    "LockFailed",
    "PIDFile",
    "Pidfile",
    "create_pidlock",
    "fd_by_path",
    "get_errno_name",
    "get_fdmax",
    "ignore_errno",
    "initgroups",
    "isatty",
    "maybe_drop_privileges",
    "parse_gid",
    "parse_uid",
    "pyimplementation",
    "setgid",
    "setgroups",
    "setuid",
    "signal_name",
    "signals",
]

__getattr__ = offered.names_not_in(__name__)
