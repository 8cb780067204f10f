"""Asking a result store again when it cannot be reached, as the settings have it. Reads nothing itself."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from umbel.app.config import Config
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
            pause = _pause(app.conf, attempts, error)
            if end is not None and (pause := min(pause, end - app.clock.monotonic())) <= 0:
                raise
            app.clock.pause(pause)
            attempts += 1


async def aask(app: "Umbel", question: Callable[[], Awaitable[T]]) -> T:
    """``ask``, for coroutines."""
    attempts = 0
    while True:
        try:
            return await question()
        except BackendError as error:
            await app.clock.sleep(_pause(app.conf, attempts, error))
            attempts += 1


def _pause(conf: Config, attempts: int, error: BackendError) -> float:
    """Seconds until the next attempt. Raises ``error`` where there is none."""
    if not conf.result_backend_always_retry or attempts >= conf.result_backend_max_retries:
        raise error
    first, longest = conf.result_backend_base_sleep_between_retries_ms, conf.result_backend_max_sleep_between_retries_ms
    return retry_delay(attempts, factor=first / 1000, maximum=longest / 1000, jitter=None)
