"""A file with the process's number, for scripts and service managers. Knows no worker."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from umbel.runtime.children import is_ended


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
        if number_in(path) == os.getpid():
            path.unlink(missing_ok=True)


def _take(path: Path) -> None:
    while True:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            number = number_in(path)
            if number is not None and number != os.getpid() and lives(number):
                raise PidfileTaken(
                    f"pid file {path}: process {number} holds it, so this worker runs already; "
                    "stop that one, or name another --pidfile"
                ) from None
            path.unlink(missing_ok=True)
            continue
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{os.getpid()}\n")
        return


def number_in(path: Path) -> int | None:
    """The number that is in the file; None where there is no file, or no number in it."""
    try:
        return int(path.read_text().strip())
    except (OSError, ValueError):
        return None


def lives(number: int) -> bool:
    """Whether a process of this number runs. One that has ended, and that nobody has waited for, does not."""
    if is_ended(number):
        return False
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    return True
