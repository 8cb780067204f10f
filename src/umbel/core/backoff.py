"""How long to wait before the next retry. A pure function; chance is passed in."""

from random import Random

_LAST_DOUBLING = 1000  # 2.0 ** 1000 is still a float, and no wait is that long


def retry_delay(retries: int, *, factor: float, maximum: float, jitter: Random | None) -> float:
    """Seconds before retry ``retries + 1``: ``factor * 2 ** retries``, at most ``maximum``, never negative.

    With ``jitter`` it is a whole number of seconds, uniform between 0 and that (Celery's "full jitter").
    """
    delay = max(0.0, min(maximum, factor * 2.0 ** min(retries, _LAST_DOUBLING)))
    return float(jitter.randrange(int(delay) + 1)) if jitter else delay
