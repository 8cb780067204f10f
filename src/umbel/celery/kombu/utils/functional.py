"""kombu's ``utils.functional``: what Celery's has, and a function called again until it succeeds."""

from collections.abc import Callable, Mapping
from typing import Any

from umbel.celery.utils.functional import (
    LRUCache,
    dictfilter,
    is_list,
    lazy,
    maybe_evaluate,
    maybe_list,
    memoize,
)
from umbel.runtime.clock import SYSTEM


def fxrange(start: float = 1.0, stop: float | None = None, step: float = 1.0, repeatlast: bool = False) -> Any:
    """Numbers from ``start`` to ``stop``; the last one again and again if ``repeatlast``."""
    value = start
    while stop is None or value <= stop:
        yield value
        value += step
    while repeatlast:
        yield value - step


def retry_over_time(
    fun: Callable[..., Any],
    catch: Any,
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    errback: Callable[..., Any] | None = None,
    max_retries: int | None = None,
    interval_start: float = 2,
    interval_step: float = 2,
    interval_max: float = 30,
    callback: Callable[[], Any] | None = None,
    timeout: float | None = None,
) -> Any:
    """Call it again, after longer and longer pauses, as long as it raises ``catch``, and return what it gave.

    ``errback(error, intervals, retries)`` may return the pause in seconds. ``max_retries`` and ``timeout`` (seconds)
    bound it: then what it raised last is raised.
    """
    intervals = fxrange(interval_start, interval_max + interval_start, interval_step, repeatlast=True)
    end, retries = None if timeout is None else SYSTEM.monotonic() + timeout, 0
    while True:
        try:
            return fun(*(args or ()), **(kwargs or {}))
        except catch as error:
            if (max_retries and retries >= max_retries) or (end is not None and SYSTEM.monotonic() >= end):
                raise
            pause = float(errback(error, intervals, retries) if errback else next(intervals))
            if callback is not None:
                callback()
            retries += 1
            SYSTEM.pause(pause)


__all__ = [
    "LRUCache",
    "dictfilter",
    "fxrange",
    "is_list",
    "lazy",
    "maybe_evaluate",
    "maybe_list",
    "memoize",
    "retry_over_time",
]
