"""Soft time limits on a main thread: SIGALRM raises ``SoftTimeLimitExceeded`` inside the user's code, nowhere else.

The handler may run between any two bytecodes, also in ours. It raises only while a call is armed, and disarms before
it raises; so whatever it raises comes out of ``SoftLimit.call``, once, and never out of the code around it.
"""

import asyncio
import contextvars
import signal
from collections.abc import Callable, Coroutine, Generator
from types import FrameType
from typing import Any

from umbel.core.errors import SoftTimeLimitExceeded


class SoftLimit:
    """Calls user code under a soft limit, and runs coroutines to their end on a loop of this thread."""

    def __init__(self) -> None:
        self._armed: float | None = None
        self._runner: asyncio.Runner | None = None
        self._interrupt: Callable[[BaseException], None] | None = None

    def close(self) -> None:
        """Close the loop that ran coroutines."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any, soft: float) -> Any:
        """Call, and raise ``SoftTimeLimitExceeded`` inside after ``soft`` seconds.

        The user's own SIGALRM handler and timer are put back afterwards.
        """
        handler = signal.signal(signal.SIGALRM, self._expired)
        remaining, interval = signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            try:
                self._armed = soft
                signal.setitimer(signal.ITIMER_REAL, soft)
                return function(*args, **kwargs)
            finally:
                self._armed = None
        finally:
            signal.setitimer(signal.ITIMER_REAL, remaining, interval)
            signal.signal(signal.SIGALRM, handler)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end on this thread's own loop, in the caller's context."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        interruptible = _Interruptible(coroutine)
        loop = self._runner.get_loop()

        def interrupt(error: BaseException) -> None:
            loop.call_soon_threadsafe(interruptible.interrupt, error)

        self._interrupt = interrupt
        try:
            return self._runner.run(interruptible.main(), context=contextvars.copy_context())
        finally:
            self._interrupt = None

    def _expired(self, signum: int, frame: FrameType | None) -> None:
        soft, self._armed = self._armed, None
        if soft is None:
            return
        error = SoftTimeLimitExceeded(soft)
        interrupt = self._interrupt
        if interrupt is not None and not _in_user_step():
            interrupt(error)
        else:
            raise error


def _in_user_step() -> bool:
    """Whether this thread's loop is inside a step of a coroutine, rather than waiting for the next one."""
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


class _Interruptible:
    """Drives a coroutine and can throw an exception into it where it awaits."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._error: BaseException | None = None
        self._task: asyncio.Task[Any] | None = None

    async def main(self) -> Any:
        self._task = asyncio.current_task()
        return await self

    def interrupt(self, error: BaseException) -> None:
        self._error = error
        if self._task is not None:
            self._task.cancel()

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
