"""Things that belong to one event loop each, made when first asked for, and ended when their loop shuts down."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One ``make()`` for every event loop that asks. ``end`` is called on it: by ``close``, or when it shuts down."""

    def __init__(self, make: Callable[[], T], end: Callable[[T], None]) -> None:
        self._make = make
        self._end = end
        self._lock = threading.Lock()
        self._held: dict[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None, None]]] = {}

    def here(self) -> T | None:
        """The running loop's, if it was made."""
        held = self._held.get(asyncio.get_running_loop())
        return None if held is None else held[0]

    async def get(self) -> T:
        """The running loop's."""
        found = self.here()
        if found is not None:
            return found
        loop = asyncio.get_running_loop()
        made = self._make()
        guard = self._guard(loop, made)
        with self._lock:
            for old in [old for old in self._held if old.is_closed()]:
                del self._held[old]
            self._held[loop] = (made, guard)
        await anext(guard)  # never yields to the loop, so nobody came between
        return made

    async def close(self) -> None:
        """End the running loop's. The next ``get`` makes a new one."""
        held = self._held.get(asyncio.get_running_loop())
        if held is not None:
            await held[1].aclose()

    async def _guard(self, loop: asyncio.AbstractEventLoop, made: T) -> AsyncGenerator[None, None]:
        # A loop that shuts down closes the asynchronous generators that were begun on it: the only sign that it gives.
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(loop, None)
            self._end(made)
