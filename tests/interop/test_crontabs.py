"""Celery's crontab and Umbel's: the same times for thousands of random expressions, in UTC."""

import json
import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.interop.environments import need
from umbel import crontab
from umbel.core.errors import ParseException

BOUNDS = ((0, 59), (0, 23), (0, 6), (1, 31), (1, 12))
NAMES = {2: ("sun", "mon", "tue", "wed", "thu", "fri", "sat"), 4: ("jan", "feb", "mar", "apr", "may", "jun")}
COUNT = 10_000


def spec(dice: random.Random, place: int) -> str:
    least, most = BOUNDS[place]

    def number() -> str:
        names = NAMES.get(place, ())
        value = dice.randint(least, most)
        return names[value - least] if value - least < len(names) and dice.random() < 0.3 else str(value)

    def part() -> str:
        kind = dice.random()
        if kind < 0.3:
            return number()
        span = "*" if kind < 0.6 else f"{number()}-{number()}"
        return span + dice.choice(["", f"/{dice.randint(1, most)}"])

    if dice.random() < 0.35:
        return "*"
    return ",".join(part() for _ in range(dice.choice([1, 1, 1, 2, 3])))


def questions(dice: random.Random) -> list[tuple[list[str], str]]:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        (
            [spec(dice, place) for place in range(5)],
            (first + timedelta(seconds=dice.randrange(4 * 365 * 86400))).isoformat(),
        )
        for _ in range(COUNT)
    ]


def ours(fields: list[str], after: str) -> str | None:
    try:
        due = crontab(*fields, timezone="UTC").next_after(datetime.fromisoformat(after))
    except ParseException:
        return None
    return None if due is None else due.isoformat()


@pytest.mark.slow
def test_celerys_crontab_is_due_at_the_same_times() -> None:
    asked = questions(random.Random(20261120))
    told = subprocess.run(
        [need("5.7.0"), str(Path(__file__).with_name("crontabs.py"))],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(told.stdout)
    found = [ours(*question) for question in asked]
    different = [(*question, us, them) for question, us, them in zip(asked, found, theirs, strict=True) if us != them]
    assert different == []
    assert sum(answer is not None for answer in theirs) > 0.9 * COUNT
