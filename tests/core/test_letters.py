"""Dead letters chosen by task, exception and age."""

from datetime import UTC, datetime, timedelta

import pytest

from umbel.core.delivery import DeadLetter
from umbel.core.letters import Choice, choice, exception_of, instant

NOW = 1_800_000_000.0


def letter(detail: str, reason: str = "failed", at: float = NOW, traceback: str | None = None) -> DeadLetter:
    return DeadLetter("1", "celery", reason, detail, at, None, traceback=traceback)


@pytest.mark.parametrize(
    ("which", "takes"),
    [
        (Choice(), True),
        (Choice(exception="ValueError"), True),
        (Choice(exception="builtins.ValueError"), True),
        (Choice(exception="Value"), False),
        (Choice(since=NOW), True),
        (Choice(since=NOW + 1), False),
        (Choice(task="tasks.add"), False),
    ],
)
def test_what_is_chosen(which: Choice, takes: bool) -> None:
    assert which.takes(letter("ValueError: no: such")) is takes


@pytest.mark.parametrize(
    ("one", "name"),
    [
        (letter("shop.errors.NoStock: 3"), "NoStock"),
        (letter("TimeLimitExceeded: hard time limit (0.3 s) exceeded"), "TimeLimitExceeded"),
        (letter("ValueError: acknowledged by hand", "rejected", traceback="Traceback"), "ValueError"),
        (letter("not for us", "rejected"), None),
        (letter("killed by SIGSEGV, 5 times", "lost"), "WorkerLostError"),
        (letter("no worker knew the task 'a' for 600 s", "unregistered"), "NotRegistered"),
        (letter("no JSON", "undecodable"), None),
    ],
)
def test_the_exception_of_a_letter(one: DeadLetter, name: str | None) -> None:
    assert exception_of(one) == name


def test_spans_and_instants() -> None:
    assert [instant(text, NOW) for text in ("30s", "1.5m", "2h", "7d")] == [
        NOW - 30,
        NOW - 90,
        NOW - 7200,
        NOW - 604800,
    ]
    assert instant(timedelta(hours=2), NOW) == NOW - 7200
    eight = datetime(2026, 1, 31, 8, tzinfo=UTC)
    for said in ("2026-01-31T08:00", "2026-01-31T09:00+01:00", eight, eight.replace(tzinfo=None)):
        assert instant(said, NOW) == eight.timestamp()
    with pytest.raises(ValueError, match="isoformat"):
        choice(task=None, exception=None, since="soon", now=NOW)
