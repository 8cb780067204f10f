"""Crontabs over two years of real zones, held to an enumeration: every zone under SCHEDULE_ZONES=all, a few always."""

import os
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest

from tests.core.schedule.wall import Wall, offsets_of, utc
from umbel import crontab
from umbel.core.schedule.zones import meant, on_the_wall

LINES = [
    *("*/7 * * * *", "0 * * * *", "30 * * * *", "15,45 * * * *", "59 * * * *", "0 */2 * * *", "0 */3 * * *"),
    *("0 0 * * *", "0 1 * * *", "30 1 * * *", "0 2 * * *", "30 2 * * *", "15 2 * * *", "59 2 * * *", "0 3 * * *"),
    *("0,30 0-4 * * *", "*/10 1-3 * * *", "5 0,1,2,3 * * *", "0 23 * * *", "59 23 * * *", "30 12 * * *"),
    *("0 8 * * mon-fri", "0 8 * * 1-5", "30 2 * * sun", "0 2 * * sat,sun", "0 0 * * 0", "45 1 * * fri-mon"),
    *("0 0 1 * *", "30 2 1 * *", "0 0 31 * *", "0 0 28-31 * *", "30 2 25-31 3 *", "30 2 25-31 10 sun"),
    *("30 1 * 3,10,11 sun", "0 2 8-14 3 sun", "0 1 1-7 11 sun", "0 0 29 2 *", "0 0 13 * fri", "0 12 1 1 *"),
    *("30 2 28-30 mar *", "0-59/20 22-2 * * *", "0 22-2 * * *", "0 0 1 jan-mar *", "5 4 * 4-9/2 *", "0 0 */10 * *"),
    *("0 6,18 1,15 * *", "0 4 * * wed", "10-50/10 2 * 3 *", "0 9 * 11-2 *", "1 0 1 4,10 *", "30 23 31 12 *"),
    *("*/5 2 * * sun", "0 3 * oct-apr *"),
]
SPAN = utc(2026), utc(2028)
FEW = [
    *("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca"),
    *("America/Santiago", "Asia/Kathmandu", "Pacific/Chatham"),
]
ALL = os.environ.get("SCHEDULE_ZONES") == "all"


@cache
def wall(line: str) -> Wall:
    return Wall(line, (SPAN[0] - timedelta(days=2)).date(), 735)


def groups() -> list[list[str]]:
    """Zones that show the same all through the span are looked at once."""
    if not ALL:
        return [[zone] for zone in FEW]
    found: dict[tuple[object, ...], list[str]] = {}
    for zone in sorted(available_timezones() - {"localtime"}):
        found.setdefault(tuple(offsets_of(zone, *SPAN)), []).append(zone)
    return list(found.values())


def walk(line: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    cron, at, found = crontab.from_string(line, timezone=zone), start, []
    while (due := cron.next_after(at)) is not None and due < end:
        found.append(due)
        at = due
    return found


def test_there_are_fifty_crontabs_and_more() -> None:
    assert len(set(LINES)) == len(LINES) > 50


@pytest.mark.slow
@pytest.mark.timeout(1200 if ALL else 120)
@pytest.mark.parametrize("zones", groups(), ids=lambda zones: zones[0])
def test_two_years_tick_as_enumerated(zones: list[str]) -> None:
    start, end = SPAN
    offsets = offsets_of(zones[0], start, end)
    for line in LINES:
        if not ALL and line.startswith("*/7"):
            continue  # dense ones cost the most and find the least
        expected = [tick for tick in wall(line).ticks(offsets, end) if tick > start]
        assert walk(line, zones[0], start, end) == expected, f"{line} in {zones}"


# The rules, by hand ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "zone", "after", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", utc(2026, 3, 28, 12), [utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)]),
        ("30 2 * * *", "Europe/Berlin", utc(2026, 10, 24, 12), [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]),
        ("*/30 1-3 * * *", "Europe/Berlin", utc(2026, 3, 29, 0, 10), [utc(2026, 3, 29, 0, 30), utc(2026, 3, 29, 1)]),
        ("*/30 * * * *", "Europe/Berlin", utc(2026, 10, 25, 0, 10), [utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 2)]),
        ("*/30 * * * *", "Europe/Berlin", utc(2026, 10, 25, 1, 10), [utc(2026, 10, 25, 2), utc(2026, 10, 25, 2, 30)]),
        ("15 2 * * *", "Australia/Lord_Howe", utc(2026, 10, 3, 12), [utc(2026, 10, 3, 15, 30)]),
        ("0 9 30 12 *", "Pacific/Apia", utc(2011, 12, 29), [utc(2011, 12, 30, 10), utc(2012, 12, 29, 19)]),
    ],
    ids=[
        "gap",
        "overlap",
        "gap-merges",
        "overlap-rests",
        "begun-in-an-overlap",
        "gap-of-half-an-hour",
        "a-day-that-never-was",
    ],
)
def test_a_gap_runs_at_its_end_and_an_overlap_once(
    line: str, zone: str, after: datetime, expected: list[datetime]
) -> None:
    cron = crontab.from_string(line, timezone=zone)
    for due in expected:
        found = cron.next_after(after)
        assert found is not None
        assert found == due
        assert found.utcoffset() == timedelta()
        after = found


def test_seconds_rest_in_an_overlap_too() -> None:
    cron = crontab.from_string("* * * * * */20", timezone="Europe/Berlin")
    assert cron.next_after(utc(2026, 10, 25, 0, 59, 39)) == utc(2026, 10, 25, 0, 59, 40)
    assert cron.next_after(utc(2026, 10, 25, 0, 59, 40)) == utc(2026, 10, 25, 2)


def test_the_end_of_a_gap_is_found_to_the_second() -> None:
    zone = ZoneInfo("Europe/Berlin")
    for minute in (0, 1, 29, 59):
        assert meant(datetime(2026, 3, 29, 2, minute), zone) == utc(2026, 3, 29, 1)
    assert on_the_wall(utc(2026, 3, 29, 1), zone) == datetime(2026, 3, 29, 3)
