"""Which dead letters a command is about: by task, by exception, by age. Pure choice; asks no broker."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
import msgspec

from umbel.core.delivery import DeadLetter

F = TypeVar("F", bound=Callable[..., Any])
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


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


def exception_of(letter: DeadLetter) -> str | None:
    """The name of the exception that a letter tells of, without its module."""
    return letter.detail.partition(":")[0].rpartition(".")[2] if letter.reason == "failed" else None


def instant(text: str, now: float) -> float:
    """``30m``, ``2h``, ``7d`` ago, or a date and time (ISO 8601, UTC unless it says else). Raises ``ValueError``."""
    if span := _SPAN.fullmatch(text):
        return now - float(span[1]) * _SECONDS[span[2]]
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def choice_options(function: F) -> F:
    """``--task``, ``--exception`` and ``--since``."""
    for option in (
        click.option("--since", metavar="T", help="Those since then: 30m, 2h, 7d ago, or a date and time in UTC."),
        click.option("--exception", metavar="NAME", help="Those that failed with it."),
        click.option("--task", metavar="NAME", help="Those of this task."),
    ):
        function = option(function)
    return function


def choice_of(task: str | None, exception: str | None, since: str | None, now: float) -> Choice:
    """The choice that the options make. Raises ``UsageError``."""
    try:
        return Choice(task, exception, None if since is None else instant(since, now))
    except ValueError:
        raise click.UsageError(
            f"--since {since}: not a span (30m, 2h, 7d) nor a date and time (2026-01-31T08:00)"
        ) from None
