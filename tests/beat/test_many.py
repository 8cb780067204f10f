"""Several beats on one timetable, killed, frozen and with wrong clocks: every tick runs once.

``BEAT_TICKS=2000`` is the long form (``make beats``).
"""

import os
import random
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.beat.fleet import Beat, Beats
from tests.worker.fleet import until
from umbel.runtime.clock import SYSTEM

TICKS = int(os.environ.get("BEAT_TICKS", "160"))
LONG = TICKS >= 1000
LEASE, SKEW = 1.0, 2.0
PERIODS = {"fast": 0.1, "half": 0.5, "slow": 1.0}
PER_SECOND = sum(1 / period for period in PERIODS.values())


def entries(start: float, seconds: float) -> dict[str, Any]:
    """Intervals that catch up on everything, from ``start`` on for so long."""
    return {
        name: {"task": "tests.beat.subjects.tick", "schedule": period, "catch_up": "all", **span(start, seconds)}
        for name, period in PERIODS.items()
    }


def span(start: float, seconds: float) -> dict[str, str]:
    first, last = (datetime.fromtimestamp(at, UTC).isoformat() for at in (start, start + seconds))
    return {"start": first, "end": last}


def expected(start: float, seconds: float) -> set[str]:
    return {
        f"{name}@{round((start + number * period) * 1000)}"
        for name, period in PERIODS.items()
        for number in range(int(seconds / period + 1e-6) + 1)
    }


class Chaos:
    """Three beats, one of which is killed or frozen whenever some more ticks have run."""

    def __init__(self, beats: Beats, report: Callable[[str], None]) -> None:
        self.beats = beats
        self.dice = random.Random()
        self.living = [self.another() for _ in range(3)]
        self.kills = self.freezes = 0
        self.report = report

    def another(self) -> Beat:
        return self.beats.start("beat", skew=self.dice.uniform(-SKEW, SKEW), reckless=self.dice.random() < 0.7)

    def moved(self, by: int, most: int) -> None:
        """Wait until so many more ticks have run, or all of them."""
        goal = min(len(self.beats.runs()) + by, most)
        until(lambda: len(self.beats.runs()) >= goal, 40, what=f"{goal} ticks; {self.beats.said()[-4000:]}")

    def leader(self) -> int:
        """The place of the beat that sent something last."""
        return max(range(3), key=lambda place: self.living[place].log.stat().st_mtime_ns)

    def strike(self, most: int) -> None:
        place = self.leader() if self.dice.random() < 0.7 else self.dice.randrange(3)
        victim = self.living[place]
        if self.dice.random() < 0.5:
            self.kills += 1
            victim.kill()
            self.living[place] = self.another()
        else:
            self.freezes += 1
            victim.signal(signal.SIGSTOP)
            self.moved(self.dice.randint(10, 40), most)
            victim.signal(signal.SIGCONT)

    def run(self, most: int) -> None:
        self.moved(1, most)
        while len(self.beats.runs()) < most:
            self.strike(most)
            self.moved(self.dice.randint(5, 25), most)
        self.report(f"{most} ticks, {self.kills} kills, {self.freezes} freezes")


@pytest.fixture(params=["sqlite", "redis"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'beats.db'}"
    url: str = request.getfixturevalue("redis_url")
    return url


@pytest.mark.slow
@pytest.mark.timeout(900 if LONG else 120)
def test_every_tick_runs_once_whatever_happens_to_the_beats(
    broker: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    start, seconds = round(SYSTEM.now() + 3, 0), round(TICKS / PER_SECOND)
    wanted = expected(start, seconds)
    with Beats(tmp_path, broker=broker, beat_lease=LEASE, beat_schedule=entries(start, seconds)) as beats:
        beats.start("worker", "-c", "1")
        Chaos(beats, lambda text: record_property("chaos", text)).run(len(wanted))
        runs = beats.runs()
        assert {key: count for key, count in runs.items() if count > 1} == {}
        assert set(runs) == wanted
        late = [float(text) for text in re.findall(r"due (-?[\d.]+) s ago", beats.said())]
        record_property("latest", max(late))  # by wrong clocks on a busy machine; the bound is in test_scheduler
