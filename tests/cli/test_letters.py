"""Dead letters chosen by task, exception and age."""

import json
from pathlib import Path

import click
import pytest

from tests.cli.conftest import Run
from umbel.cli.letters import Choice, choice_of, instant
from umbel.core.delivery import DeadLetter

NOW = 1_800_000_000.0


def letter(detail: str, reason: str = "failed", at: float = NOW) -> DeadLetter:
    return DeadLetter("1", "celery", reason, detail, at, None)


@pytest.mark.parametrize(
    ("choice", "takes"),
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
def test_what_is_chosen(choice: Choice, takes: bool) -> None:
    assert choice.takes(letter("ValueError: no: such")) is takes


def test_only_failures_have_an_exception() -> None:
    assert not Choice(exception="ValueError").takes(letter("ValueError: text", reason="rejected"))


def test_spans_and_instants() -> None:
    assert [instant(text, NOW) for text in ("30s", "1.5m", "2h", "7d")] == [
        NOW - 30,
        NOW - 90,
        NOW - 7200,
        NOW - 604800,
    ]
    assert instant("2026-01-31T08:00", NOW) == instant("2026-01-31T09:00+01:00", NOW)
    with pytest.raises(click.UsageError, match="not a span"):
        choice_of(None, None, "soon", NOW)


def test_letters_are_sent_again_by_what_they_are(umbel: Run, worker: object) -> None:
    for _ in range(2):
        umbel("-A", "tasks", "call", "divide", "1", "0", "--wait")
    dead = ("-A", "tasks", "dead")
    assert umbel(*dead, "delete", "--task", "tasks.add").stdout == "0 deleted\n"
    assert umbel(*dead, "delete", "--exception", "ValueError", "--since", "1h").stdout == "0 deleted\n"
    assert len(json.loads(umbel(*dead, "--json").stdout)) == 2
    chosen = ("--task", "tasks.divide", "--exception", "ZeroDivisionError", "--since", "1h")
    assert umbel(*dead, "delete", *chosen).stdout == "2 deleted\n"


def test_a_choice_is_not_mixed_with_ids(umbel: Run, tasks: Path) -> None:
    for words in (
        ("retry",),
        ("retry", "1", "--all"),
        ("retry", "1", "--task", "x"),
        ("retry", "--all", "--since", "1h"),
    ):
        refused = umbel("-A", "tasks", "dead", *words)
        assert (refused.returncode, "name the letters by their ids" in refused.stderr) == (2, True)
