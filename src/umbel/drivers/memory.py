"""A server that is an object of this process: one space per URL, shared by broker and store. Knows nobody's data."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from umbel.runtime import system
from umbel.runtime.clock import Clock

T = TypeVar("T")

_PAUSE = 0.002


class Write(NamedTuple):
    """What a store compiles, and a broker of the same space does under the lock: ``perform`` returns how to undo it."""

    perform: Callable[[], Callable[[], None]]


class Ask(NamedTuple):
    """A ``Write`` that answers: ``perform`` returns how to undo it, and the answer or None."""

    perform: Callable[[], tuple[Callable[[], None], Any]]


class Space:
    """One lock, whatever is kept under it, and news of changes for those who wait in any thread or event loop."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._parts: dict[str, Any] = {}
        self._listeners: set[Callable[[], None]] = set()

    def part(self, name: str, make: Callable[[], T]) -> T:
        """What the owner ``name`` keeps here, made when first asked for."""
        with self.lock:
            if name not in self._parts:
                self._parts[name] = make()
            found: T = self._parts[name]
            return found

    def changed(self) -> None:
        """Tell everybody who waits."""
        for listener in list(self._listeners):
            listener()

    async def wait(self, ready: Callable[[], float | None], clock: Clock) -> None:
        """Suspend until ``ready`` returns None; else it returns how many seconds may pass before it is asked again."""
        loop, news, told = asyncio.get_running_loop(), asyncio.Event(), False

        def hear() -> None:
            nonlocal told
            told = False
            news.set()

        def tell() -> None:
            nonlocal told
            if told:
                return  # of many changes at once
            told = True
            try:
                loop.call_soon_threadsafe(hear)
            except RuntimeError:
                pass  # that loop is closed: nobody waits there

        self._listeners.add(tell)
        try:
            while (left := ready()) is not None:
                await _first(asyncio.ensure_future(news.wait()), asyncio.ensure_future(clock.sleep(left)))
                news.clear()
        finally:
            self._listeners.discard(tell)

    def block(self, ready: Callable[[], float | None], clock: Clock) -> None:
        """As ``wait``, for a thread."""
        while (left := ready()) is not None:
            clock.pause(min(left, _PAUSE))

    def forget_others(self) -> None:
        """In a forked child: other threads are gone, with what they waited for and the lock they may have held."""
        self.lock = threading.RLock()
        self._listeners.clear()


async def _first(*futures: "asyncio.Future[Any]") -> None:
    try:
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in futures:
            future.cancel()


def space(url: str) -> Space:
    """The space of a URL: ``memory://`` is one, ``memory://NAME`` another; the same objects for the whole process."""
    with _guard:
        return _spaces.setdefault(url.rstrip("/"), Space())


def discard(url: str) -> None:
    """Forget a space: who opens the URL the next time finds an empty one."""
    with _guard:
        _spaces.pop(url.rstrip("/"), None)


_guard = threading.Lock()
_spaces: dict[str, Space] = {}


def _forget_in_child() -> None:
    global _guard
    _guard = threading.Lock()
    for known in _spaces.values():
        known.forget_others()


system.at_fork(after_in_child=_forget_in_child)
