"""Intervals, the sun, one time; and all schedules as Celery's code asks them."""

import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.core.schedule.wall import utc
from umbel import clocked, crontab, schedule, solar
from umbel.core.errors import ParseException
from umbel.core.schedule import Schedule, from_plain, make_schedule, to_plain

NOW = utc(2026, 11, 20, 20, 30, 15)


class App:
    """What a schedule asks of an application."""

    def __init__(self, now: datetime = NOW, zone: Any = UTC) -> None:
        self.time, self.timezone = now, zone

    def now(self) -> datetime:
        return self.time


def test_an_interval_counts_from_the_last_time() -> None:
    every = schedule(30)
    assert every.next_after(NOW) == NOW + timedelta(seconds=30)
    assert every.next_after(NOW, NOW - timedelta(seconds=10)) == NOW + timedelta(seconds=20)
    assert every.next_after(NOW, NOW - timedelta(days=365, seconds=1)) == NOW + timedelta(seconds=29)
    assert every.next_after(NOW, NOW + timedelta(seconds=5)) == NOW + timedelta(seconds=35)
    assert every.passed(NOW - timedelta(seconds=100), NOW) == NOW - timedelta(seconds=10)


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (timedelta(days=1), utc(2026, 11, 21)),
        (3600, utc(2026, 11, 20, 21)),
        (60, utc(2026, 11, 20, 20, 31)),
        (1.5, utc(2026, 11, 20, 20, 30, 16)),
    ],
)
def test_a_relative_one_is_on_the_clock(every: Any, expected: datetime) -> None:
    relative = schedule(every, relative=True, app=App())
    assert relative.next_after(NOW) == expected
    assert relative.next_after(NOW, NOW - timedelta(days=40)) == expected


def test_a_relative_day_is_that_of_the_zone() -> None:
    relative = schedule(timedelta(days=1), relative=True, app=App(zone=timezone(timedelta(hours=-5))))
    assert relative.next_after(NOW) == utc(2026, 11, 21, 5)


@pytest.mark.parametrize("every", [0, -1, None, True, "30", float("nan"), float("inf"), 1e300])
def test_what_is_no_interval_is_refused(every: Any) -> None:
    with pytest.raises(ParseException, match=r"schedule\("):
        schedule(every)


def test_clocked_is_due_once() -> None:
    once = clocked(NOW)
    assert once.next_after(NOW - timedelta(seconds=1)) == NOW
    assert once.next_after(NOW) is None
    assert clocked(datetime(2026, 11, 20, 20, 30, 15)) == once
    with pytest.raises(ParseException, match="the time is a datetime"):
        clocked("tomorrow")  # type: ignore[arg-type]


BERLIN = 52.52, 13.405


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("dawn_astronomical", (4, 37)),
        ("sunrise", (6, 32)),
        ("solar_noon", (10, 52)),
        ("sunset", (15, 11)),
        ("dusk_civil", (15, 50)),
        ("dusk_astronomical", (17, 6)),
    ],
)
def test_the_sun_over_berlin(event: str, expected: tuple[int, int]) -> None:
    """In UTC, within minutes of what people see there."""
    due = solar(event, *BERLIN).next_after(utc(2026, 11, 21))
    assert due is not None
    assert abs(due - utc(2026, 11, 21, *expected)) < timedelta(minutes=8)


def test_the_sun_goes_on_by_the_day() -> None:
    sunset = solar("sunset", *BERLIN)
    first = sunset.next_after(NOW)
    assert first is not None
    second = sunset.next_after(first)
    assert second is not None
    assert timedelta(hours=23, minutes=50) < second - first < timedelta(hours=24, minutes=10)


def test_after_a_polar_night_the_sun_rises() -> None:
    due = solar("sunrise", 78.2, 15.6).next_after(utc(2026, 11, 20))
    assert due is not None
    assert due.month == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("noon", 0, 0), "one of dawn_astronomical"),
        (("sunset", 91, 0), "-90 to 90"),
        (("sunset", 0, 181), "-180 to 180"),
    ],
)
def test_a_wrong_event_or_place_is_refused(given: tuple[str, float, float], message: str) -> None:
    with pytest.raises(ParseException, match=message):
        solar(*given)


ALL: list[Schedule] = [
    crontab("*/5", timezone="Europe/Berlin"),
    schedule(90, relative=True),
    clocked(NOW),
    solar("sunset", *BERLIN),
]


@pytest.mark.parametrize("one", ALL, ids=lambda one: type(one).__name__)
def test_every_kind_survives_storing_and_pickling(one: Schedule) -> None:
    assert from_plain(to_plain(one)) == one
    assert pickle.loads(pickle.dumps(one)) == one
    assert one.human_readable
    assert one != schedule(17)


@pytest.mark.parametrize(
    "plain", [{}, {"kind": "lunar"}, {"kind": "crontab", "line": "x", "timezone": None}, {"kind": "clocked", "at": 5}]
)
def test_what_is_no_stored_schedule_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(ParseException):
        from_plain(plain)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (30, schedule(30)),
        (timedelta(minutes=1), schedule(60)),
        ("0 8 * * *", crontab("0", "8")),
        (NOW, clocked(NOW)),
        (ALL[0], ALL[0]),
    ],
)
def test_what_a_user_may_write_for_a_schedule(given: Any, expected: Schedule) -> None:
    assert make_schedule(given) == expected


def test_a_zone_of_the_entry_goes_to_a_crontab_without_one() -> None:
    assert make_schedule(crontab("0", "8"), timezone="Asia/Tokyo") == crontab("0", "8", timezone="Asia/Tokyo")
    assert make_schedule(ALL[0], timezone="Asia/Tokyo") == ALL[0]
    with pytest.raises(ParseException, match="is no schedule"):
        make_schedule([30])


# As Celery's code asks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "last", "expected"),
    [
        (schedule(30, app=App()), NOW - timedelta(seconds=10), (False, 20)),
        (schedule(30, app=App()), NOW - timedelta(seconds=31), (True, 30)),
        (crontab(minute="31", app=App()), NOW - timedelta(minutes=1), (False, 45)),
        (crontab(minute="30", app=App()), NOW - timedelta(minutes=1), (True, 3585)),
        (crontab(minute="31", nowfun=lambda: NOW), (NOW - timedelta(minutes=1)).replace(tzinfo=None), (False, 45)),
        (clocked(NOW, app=App()), NOW - timedelta(minutes=1), (True, None)),
        (clocked(NOW, app=App()), NOW, (False, None)),
        (clocked(NOW + timedelta(seconds=5), app=App()), NOW, (False, 5)),
    ],
)
def test_is_due(one: Schedule, last: datetime, expected: tuple[bool, float | None]) -> None:
    state = one.is_due(last)
    assert tuple(state) == expected
    assert (state.is_due, state.next) == expected


def test_remaining_estimate_may_be_negative() -> None:
    assert schedule(30, app=App()).remaining_estimate(NOW - timedelta(seconds=40)) == timedelta(seconds=-10)


def test_a_custom_schedule_needs_next_after_alone() -> None:
    class Tomorrow(Schedule):
        def next_after(self, moment: datetime, last: datetime | None = None) -> datetime | None:
            return moment + timedelta(days=1)

    custom = Tomorrow(app=App())
    assert make_schedule(custom) is custom
    assert tuple(custom.is_due(NOW)) == (False, 86400)
    with pytest.raises(ParseException, match="cannot be stored"):
        to_plain(custom)
