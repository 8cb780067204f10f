"""How long a reader or writer of results bears with a server that cannot be reached. Pure."""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

_DEFAULT: Mapping[str, float] = {"max_retries": 8, "interval_start": 0.0, "interval_step": 0.2, "interval_max": 1.0}
"""Five seconds in all. (Celery's own default is about twenty; its option ``retry_policy`` is read.)"""


def limit(policy: Mapping[str, Any] | None, timeout: float) -> float:
    """Seconds after which nothing is attempted again: of a server that hangs, one ``timeout`` is enough.

    Where somebody chose a policy, that says it all.
    """
    return timeout if policy is None else inf


def pauses(policy: Mapping[str, Any] | None) -> Iterator[float]:
    """Seconds before each further attempt; the end of them is the end of patience. ``max_retries`` None: no end."""
    chosen = {**_DEFAULT, **(policy or {})}
    left = chosen["max_retries"]
    pause = float(chosen["interval_start"])
    while left is None or left > 0:
        yield pause
        pause = min(pause + float(chosen["interval_step"]), float(chosen["interval_max"]))
        left = None if left is None else left - 1
