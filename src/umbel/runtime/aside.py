"""User code beside a loop: on threads that nothing has to wait for. Knows no worker."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("umbel.worker")


class Aside:
    """Calls functions on daemon threads. The executor of asyncio would keep the loop from closing until they return."""

    def __init__(self) -> None:
        self._running: set[asyncio.Future[None]] = set()

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> "asyncio.Future[None]":
        """Call it, and return a future that is done when it has returned. What it raises is logged."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def run() -> None:
            try:
                function(*arguments, **named)
            except BaseException:
                logger.exception("%r failed", function)
            try:
                loop.call_soon_threadsafe(_settle, done)
            except RuntimeError:
                pass  # nobody waited for it

        self._running.add(done)
        done.add_done_callback(self._running.discard)
        threading.Thread(target=run, name="umbel-aside", daemon=True).start()
        return done

    async def wait(self, seconds: float) -> bool:
        """Wait for all that run, so long at most; says whether all have returned."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=seconds)
        return not self._running


def _settle(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
