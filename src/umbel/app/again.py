"""Asking a result store again when it cannot be reached, as the settings have it. Reads nothing itself."""

from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING, TypeVar

from umbel.core.backoff import retry_delay
from umbel.core.errors import BackendError

if TYPE_CHECKING:
    from umbel.app.application import Umbel

T = TypeVar("T")


def ask(app: "Umbel", question: Callable[[], T], end: float | None = None) -> T:
    """The answer; after as many attempts as the settings give it, none after ``end``. Raises ``BackendError``."""
    attempts = 0
    while True:
        try:
            return question()
        except BackendError as error:
            app.clock.pause(_pause(app, attempts, error, end))
            attempts += 1


async def aask(app: "Umbel", question: Callable[[], Awaitable[T]], end: float | None = None) -> T:
    """``ask``, for coroutines."""
    attempts = 0
    while True:
        try:
            return await question()
        except BackendError as error:
            await app.clock.sleep(_pause(app, attempts, error, end))
            attempts += 1


def _pause(app: "Umbel", attempts: int, error: BackendError, end: float | None) -> float:
    """Seconds until the next attempt. Raises ``error`` where there is none."""
    conf = app.conf
    left = inf if end is None else end - app.clock.monotonic()
    if left <= 0 or not conf.result_backend_always_retry or attempts >= conf.result_backend_max_retries:
        raise error
    first, longest = conf.result_backend_base_sleep_between_retries_ms, conf.result_backend_max_sleep_between_retries_ms
    return min(left, retry_delay(attempts, factor=first / 1000, maximum=longest / 1000, jitter=None))
