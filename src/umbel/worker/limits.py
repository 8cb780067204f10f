"""Soft time limits on a main thread: SIGALRM raises ``SoftTimeLimitExceeded`` inside the user's code, nowhere else.

The handler may run between any two bytecodes, also in ours. It raises only while a call is armed, and disarms before
it raises; so whatever it raises comes out of ``SoftLimit.call``, once, and never out of the code around it.
"""

import logging
import signal
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from types import FrameType
from typing import Any

from umbel.core.errors import SoftTimeLimitExceeded
from umbel.worker.awaiting import Awaiting, SoftCancelled

logger = logging.getLogger("umbel.worker")


@cache
def _tell_there_is_none() -> None:
    logger.warning("Soft time limits are off: this lane needs the main thread and its timer; use --pool threads")


def _can_be_interrupted() -> bool:
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return True
    _tell_there_is_none()
    return False


class SoftLimit:
    """Calls user code under a soft limit, and runs coroutines to their end on a loop of this thread."""

    def __init__(self) -> None:
        self._armed: float | None = None
        self._awaiting = Awaiting()

    def close(self) -> None:
        """Close the loop that ran coroutines."""
        self._awaiting.close()

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any, soft: float) -> Any:
        """Call, and raise ``SoftTimeLimitExceeded`` inside after ``soft`` seconds.

        The user's own SIGALRM handler and timer are put back afterwards. Off the main thread, and where there is no
        such timer, there is no limit; that is said once.
        """
        if not _can_be_interrupted():
            return function(*args, **kwargs)
        handler = signal.signal(signal.SIGALRM, self._expired)
        remaining, interval = signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            try:
                self._armed = soft
                signal.setitimer(signal.ITIMER_REAL, soft)
                return function(*args, **kwargs)
            finally:
                self._armed = None
        except SoftCancelled as error:
            raise as_limit(error) from error.__cause__
        finally:
            signal.setitimer(signal.ITIMER_REAL, remaining, interval)
            signal.signal(signal.SIGALRM, handler)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end on this thread's own loop, in the caller's context."""
        return self._awaiting.run(coroutine)

    def _expired(self, signum: int, frame: FrameType | None) -> None:
        soft, self._armed = self._armed, None
        if soft is None:
            return
        if self._awaiting.waits():
            self._awaiting.interrupt(SoftCancelled(soft))
        else:
            raise SoftTimeLimitExceeded(soft)


def as_limit(error: SoftTimeLimitExceeded) -> SoftTimeLimitExceeded:
    """The same limit under its public name, as records and hooks show it."""
    return SoftTimeLimitExceeded(*error.args).with_traceback(error.__traceback__)
