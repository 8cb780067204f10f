"""A file with the process's number, for scripts and service managers. Knows no worker."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class PidfileTaken(Exception):
    """A process that lives holds the file."""


@contextmanager
def pidfile(path: Path) -> Iterator[None]:
    """Write this process's number there for the length of the block. Raises ``PidfileTaken``, or ``OSError``.

    A file that was left behind is replaced: its process is gone, or has our own number, as after the restart of a
    container.
    """
    _take(path)
    try:
        yield
    finally:
        if _number(path) == os.getpid():
            path.unlink(missing_ok=True)


def _take(path: Path) -> None:
    while True:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            number = _number(path)
            if number is not None and number != os.getpid() and _lives(number):
                raise PidfileTaken(
                    f"pid file {path}: process {number} holds it, so this worker runs already; "
                    "stop that one, or name another --pidfile"
                ) from None
            path.unlink(missing_ok=True)
            continue
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{os.getpid()}\n")
        return


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text().strip())
    except (OSError, ValueError):
        return None


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    return True
