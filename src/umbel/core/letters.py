"""Which dead letters somebody means: by task, by exception, by age. Pure choice; asks no broker."""

import re
from datetime import UTC, datetime, timedelta

import msgspec

from umbel.core.delivery import DeadLetter

_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NAME = re.compile(r"[\w.]+")
_OF_REASON = {"lost": "WorkerLostError", "unregistered": "NotRegistered"}

Since = str | datetime | timedelta
"""A point in time as people say it: ``2h`` or ``timedelta(hours=2)`` ago, or a date and time."""


class Choice(msgspec.Struct, frozen=True):
    """What a letter must be; None asks for nothing. ``since``: wall seconds."""

    task: str | None = None
    exception: str | None = None
    since: float | None = None

    def __bool__(self) -> bool:
        return self != Choice()

    def takes(self, letter: DeadLetter) -> bool:
        """Whether a letter is one of them."""
        name = letter.message.headers.task if letter.message else None
        return (
            (self.task is None or name == self.task)
            and (self.exception is None or exception_of(letter) == self.exception.rpartition(".")[2])
            and (self.since is None or letter.at >= self.since)
        )


def choice(*, task: str | None, exception: str | None, since: Since | None, now: float) -> Choice:
    """The choice that these words make; ``now`` in wall seconds. Raises ``ValueError`` for a ``since`` that is none."""
    return Choice(task, exception, None if since is None else instant(since, now))


def exception_of(letter: DeadLetter) -> str | None:
    """The name of the exception that a letter's task ended with, without its module. None if it did not."""
    if letter.reason in _OF_REASON:
        return _OF_REASON[letter.reason]
    if letter.reason != "failed" and not letter.traceback:
        return None
    name = _NAME.match(letter.detail)
    return name[0].rpartition(".")[2] if name else None


def instant(since: Since, now: float) -> float:
    """In wall seconds. ``30m``, ``2h``, ``7d`` ago, or ISO 8601; UTC unless it says else. Raises ``ValueError``."""
    if isinstance(since, timedelta):
        return now - since.total_seconds()
    if isinstance(since, str):
        if span := _SPAN.fullmatch(since):
            return now - float(span[1]) * _SECONDS[span[2]]
        since = datetime.fromisoformat(since)
    return (since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp()
