"""Coroutines to their end, and an exception into them where they await. Knows no messages and no time."""

import asyncio
import contextvars
from collections.abc import Coroutine, Generator
from typing import Any

from umbel.core.errors import SoftTimeLimitExceeded


class SoftCancelled(SoftTimeLimitExceeded, asyncio.CancelledError):
    """A soft limit inside a coroutine: a cancellation, so that what cleans up after one does, and still the limit."""


SoftCancelled.__name__ = SoftCancelled.__qualname__ = SoftTimeLimitExceeded.__name__  # what a task catches is that


class Awaiting:
    """A loop of one thread, on which that thread runs one coroutine at a time to its end."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._running: Interruptible | None = None

    def close(self) -> None:
        """Close the loop. Safe to repeat; another run opens one anew."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, in a copy of the caller's context."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        self._running = interruptible = Interruptible(coroutine, self._runner.get_loop())
        try:
            return self._runner.run(interruptible.main(), context=contextvars.copy_context())
        finally:
            self._running = None
            if not interruptible.is_done():
                self.close()  # what came in between has torn the loop itself

    def waits(self) -> bool:
        """Whether a coroutine runs here and waits for something, rather than computing. From any thread."""
        running = self._running
        return running is not None and not running.is_in_step()

    def interrupt(self, error: BaseException) -> None:
        """Raise ``error`` in the coroutine where it awaits. From any thread."""
        running = self._running
        if running is not None:
            running.interrupt_from_afar(error)


class Interruptible:
    """Drives a coroutine and can throw an exception into it where it awaits."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._error: BaseException | None = None
        self._task: asyncio.Task[Any] | None = None
        self._done = False

    async def main(self) -> Any:
        """Await it in a task of its own, or in the caller's."""
        self._task = asyncio.current_task(self._loop)
        try:
            return await self
        finally:
            self._done = True

    def is_done(self) -> bool:
        """Whether it has come to its end."""
        return self._done

    def is_in_step(self) -> bool:
        """Whether its loop is inside a step of it now. From any thread."""
        return self._task is not None and asyncio.current_task(self._loop) is self._task

    def interrupt(self, error: BaseException) -> None:
        """Raise ``error`` in it at its next turn. On its loop."""
        if not self._done:
            self._error = error
            if self._task is not None:
                self._task.cancel()

    def interrupt_from_afar(self, error: BaseException) -> None:
        """As ``interrupt``, from any thread."""
        try:
            self._loop.call_soon_threadsafe(self.interrupt, error)
        except RuntimeError:
            pass  # the loop is closed: it has ended

    def __await__(self) -> Generator[Any, Any, Any]:
        throw: BaseException | None = None
        while True:
            try:
                awaited = self._coroutine.send(None) if throw is None else self._coroutine.throw(throw)
            except StopIteration as end:
                return end.value
            throw = None
            try:
                yield awaited
            except asyncio.CancelledError as cancelled:
                throw, self._error = self._error or cancelled, None
                if throw is not cancelled and self._task is not None:
                    self._task.uncancel()
            except BaseException as error:  # noqa: BLE001  whatever comes in belongs to the coroutine
                throw = error
