"""A window: its owner's alone, found by others, and never in the way of the next."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from umbel.runtime.window import LONGEST, WindowTaken, look, open_to, window


def with_window(path: Path, within: Callable[[], Any]) -> Any:
    async def main(sill: socket.socket) -> Any:
        async with open_to(sill, lambda: b"well" * 50_000):
            return await asyncio.to_thread(within)

    with window(path) as sill:
        return asyncio.run(main(sill))


def test_who_looks_is_told_everything_and_only_its_owner_may(tmp_path: Path) -> None:
    path = tmp_path / "window"
    mode, said = with_window(path, lambda: (path.stat().st_mode & 0o777, look(path, 5)))
    assert (mode, said) == (0o600, b"well" * 50_000)
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        look(path, 5)


def test_what_the_dead_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "window"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(ConnectionRefusedError):
        look(path, 5)
    assert with_window(path, lambda: look(path, 5))


def test_the_living_and_what_is_no_socket_are_left_alone(tmp_path: Path) -> None:
    path, file = tmp_path / "window", tmp_path / "file"
    file.write_text("mine")

    def again() -> None:
        with pytest.raises(WindowTaken, match="another process answers"):
            with_window(path, lambda: None)

    with_window(path, again)
    with pytest.raises(WindowTaken, match="is no socket"):
        with_window(file, lambda: None)
    assert file.read_text() == "mine"
    for bad in (tmp_path / ("x" * LONGEST), tmp_path / "nowhere" / "window"):
        with pytest.raises(WindowTaken):
            with_window(bad, lambda: None)


def test_who_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "window"
    with socket.socket(socket.AF_UNIX) as dumb:
        dumb.bind(str(path))
        dumb.listen()
        with pytest.raises(TimeoutError):
            look(path, 0.05)
