"""A window into a process: a socket that says what it does to whoever looks, and how others find it. Knows no worker.

A window is a Unix socket that only its owner may open. Whoever connects is told, once, and asks nothing.
"""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from umbel.runtime.clock import SYSTEM, Clock
from umbel.runtime.folder import folders

NAME = "window"
"""The file in the folder that a process has for life."""
OWNER = 0o600
LONGEST = 100
"""Bytes of a path that every system takes; Linux takes a few more."""


class WindowTaken(Exception):
    """No window can be here: somebody answers at this path, or something else is there; the text says what."""


@contextmanager
def window(path: Path) -> Iterator[socket.socket]:
    """A window at this path; who looks waits until it is ``open_to`` them. Raises ``WindowTaken``."""
    sill = _bound(path)
    try:
        yield sill
    finally:
        path.unlink(missing_ok=True)  # before it is closed, or the next one's could be there already
        sill.close()


@asynccontextmanager
async def open_to(sill: socket.socket, tell: Callable[[], bytes]) -> AsyncIterator[None]:
    """Answer everybody who looks through a window with what ``tell`` says, on the running loop."""
    loop, told = asyncio.get_running_loop(), dict[asyncio.Task[None], socket.socket]()

    async def answer(line: socket.socket) -> None:
        try:
            await loop.sock_sendall(line, tell())
        except OSError:
            pass  # who looked has left

    def let_in() -> None:
        try:
            line, _ = sill.accept()
        except OSError:
            return  # who looked has left already
        line.setblocking(False)
        task = loop.create_task(answer(line))
        told[task] = line
        task.add_done_callback(lambda task: told.pop(task).close())  # also of one that is cancelled before it begins

    loop.add_reader(sill, let_in)
    try:
        yield
    finally:
        loop.remove_reader(sill)
        for task in tuple(told):
            task.cancel()
        await asyncio.gather(*told, return_exceptions=True)
        await asyncio.sleep(0)  # for the callbacks of those that are done


def can_have_windows() -> bool:
    """Whether there are sockets of this kind here."""
    return hasattr(socket, "AF_UNIX")


def windows() -> Iterator[Path]:
    """The windows of this user's processes on this machine; root's: of everybody's. Some may be shut for ever."""
    return (path for folder in folders() if (path := folder / NAME).exists())


def look(path: Path, seconds: float, *, clock: Clock = SYSTEM) -> bytes:
    """What the process behind a window says. Raises ``OSError``: nobody is there, or (``TimeoutError``) it is dumb."""
    end = clock.monotonic() + seconds
    said = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(seconds)
        line.connect(str(path))
        while True:
            line.settimeout(max(end - clock.monotonic(), 0.001))
            data = line.recv(1 << 16)
            if not data:
                return bytes(said)
            said += data


def _bound(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > LONGEST:
        raise WindowTaken(f"{path} is too long for a socket: at most {LONGEST} bytes")
    _clear(path)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(line.fileno(), OWNER)  # on Linux what is bound is never open to others, not even for a moment
        line.bind(str(path))
        path.chmod(OWNER)
        line.listen()
        line.setblocking(False)
    except OSError as error:
        line.close()
        raise WindowTaken(f"{path}: {error.strerror}") from error
    return line


def _clear(path: Path) -> None:
    """Remove what a process left that is gone."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise WindowTaken(f"{path} is there already and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(1.0)
        try:
            line.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass  # somebody is there, and busy
    raise WindowTaken(f"{path}: another process answers there")
