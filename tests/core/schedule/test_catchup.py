"""Which ticks are due, missed and run: the policy as a table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from umbel import crontab
from umbel.core.errors import ParseException
from umbel.core.schedule.catchup import Look, following, look
from umbel.core.schedule.entry import Entry, from_plain, read, to_plain
from umbel.core.timetable import Mark

T0 = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
GRACE = 20.0


def entry(when: Any = 30, **keys: Any) -> Entry:
    return read("e", {"task": "t", "schedule": when, **keys})


def seen(one: Entry, now: float) -> tuple[list[float], float | None]:
    """Due times of the ticks, and when to look again, in seconds after T0."""
    found = look(one, Mark(T0, 0), T0 + now, grace=GRACE)
    return [tick.due - T0 for tick in found.ticks], None if found.again is None else found.again - T0


HOURLY = "0 * * * *"


@pytest.mark.parametrize(
    ("when", "keys", "now", "ticks", "again"),
    [
        (30, {}, 29.9, [], 30),
        (30, {}, 30, [30], 60),
        (30, {}, 49, [30], 60),
        (30, {}, 51, [], 60),
        (5, {}, 32, [15, 20, 25, 30], 35),
        (30, {"catch_up": "once"}, 80, [60], 90),
        (30, {"catch_up": "once"}, 85, [30], 90),
        (30, {"catch_up": "all"}, 100, [30, 60, 90], 120),
        (30, {"catch_up": "all", "max_age": 50}, 100, [60, 90], 120),
        (30, {"catch_up": "all"}, 86400 * 2, [86400 + 30 * number for number in range(64)], 86400 + 64 * 30),
        (HOURLY, {}, 3600, [3600], 7200),
        (HOURLY, {}, 10000, [3600], 10800),
        (HOURLY, {}, 7210, [7200], 10800),
        (HOURLY, {"max_age": 600}, 10000, [], 10800),
        (HOURLY, {"max_age": 4000}, 10000, [7200], 10800),
        (HOURLY, {"catch_up": "skip"}, 10000, [], 10800),
        (HOURLY, {"catch_up": "all"}, 10000, [3600, 7200], 10800),
        (30, {"enabled": False}, 100, [], None),
        (30, {"max_runs": 2, "catch_up": "all"}, 100, [30, 60], None),
        (30, {"end": datetime.fromtimestamp(T0 + 60, UTC), "catch_up": "all"}, 100, [30, 60], None),
        (30, {"start": datetime.fromtimestamp(T0 + 200, UTC)}, 100, [], 200),
        (30, {"start": datetime.fromtimestamp(T0 + 200, UTC), "catch_up": "all"}, 235, [200, 230], 260),
        (HOURLY, {"start": datetime.fromtimestamp(T0 + 7200, UTC)}, 100, [], 7200),
        (datetime.fromtimestamp(T0 + 50, UTC), {}, 40, [], 50),
        (datetime.fromtimestamp(T0 + 50, UTC), {}, 5000, [50], None),
    ],
)
def test_what_is_run(when: Any, keys: dict[str, Any], now: float, ticks: list[float], again: float | None) -> None:
    assert seen(entry(when, **keys), now) == (ticks, again)


def test_one_tick_for_many_covers_them_all() -> None:
    (tick,) = look(entry(HOURLY), Mark(T0, 0), T0 + 10000, grace=GRACE).ticks
    assert (tick.due - T0, tick.mark - T0) == (3600, 10000)
    (tick,) = look(entry(30, catch_up="once"), Mark(T0, 0), T0 + 85, grace=GRACE).ticks
    assert (tick.due - T0, tick.mark - T0) == (30, 60)


def test_nothing_is_due_after_the_last_run() -> None:
    assert look(entry(30, max_runs=2), Mark(T0, 2), T0 + 30, grace=GRACE) == Look((), None)


@pytest.mark.parametrize("policy", ["skip", "once", "all"])
@pytest.mark.parametrize("when", [7, 30, HOURLY, "*/7 * * * * */30"])
def test_looking_often_finds_every_tick_once(policy: str, when: Any) -> None:
    one, mark, found, now = entry(when, catch_up=policy), Mark(T0, 0), [], T0
    while now < T0 + 4000:
        view = look(one, mark, now, grace=GRACE)
        for tick in view.ticks:
            assert tick.due > mark.last
            found.append(tick.due)
            mark = Mark(tick.mark, mark.runs + 1)
        assert view.again is not None
        now = max(view.again, now + 0.5)
    expected = []
    for due in following(one, Mark(T0, 0)):
        if due.timestamp() >= now:
            break
        expected.append(due.timestamp())
    assert found == expected


def test_jitter_delays_each_tick_by_its_own_chance_the_same_for_all() -> None:
    one = entry(30, jitter=10, catch_up="all")
    delays = [one.delay_of(T0 + 30 * number) for number in range(100)]
    assert delays == [entry(30, jitter=10).delay_of(T0 + 30 * number) for number in range(100)]
    assert 0 <= min(delays) < 2
    assert 8 < max(delays) < 10
    assert seen(one, 30 + delays[1] - 0.01)[0] == []
    assert seen(one, 30 + delays[1] + 0.01)[0] == [30]


@pytest.mark.parametrize("policy", ["skip", "once", "all"])
def test_what_waits_for_its_chance_is_not_missed(policy: str) -> None:
    one = entry(3600, jitter=300, catch_up=policy, max_age=60)
    sent = 3600 + one.delay_of(T0 + 3600)
    assert sent > 3600 + GRACE
    ticks, again = seen(one, sent - 1)
    assert ticks == []
    assert again == pytest.approx(sent)
    assert seen(one, sent + 1)[0] == [3600]


def test_ids_tell_entries_books_and_times_apart() -> None:
    one, other = entry(), read("other", {"task": "t", "schedule": 30})
    ids = {one.tick_id("a", 1.0), one.tick_id("a", 1.000001), one.tick_id("b", 1.0), other.tick_id("a", 1.0)}
    assert len(ids) == 4
    assert one.tick_id("a", 1.0) == entry(60).tick_id("a", 1.0)


def test_the_defaults_are_celerys() -> None:
    assert entry(30).catch_up == "skip"
    assert entry(HOURLY).catch_up == "once"
    assert read("e", {"task": "t", "schedule": HOURLY}, deadline=60).max_age == 60
    assert read("e", {"task": "t", "schedule": 30}, deadline=60).max_age is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "t"}, "schedule 'e': 'schedule' is missing"),
        ({"schedule": 30}, "schedule 'e': 'task' is the name of a task, not None"),
        ({"task": "t", "schedule": 30, "arg": 1}, "has no key 'arg'; there is task, schedule, args"),
        ({"task": "t", "schedule": "61 * * * *"}, "schedule 'e': crontab"),
        ({"task": "t", "schedule": 30, "args": "abc"}, "'args' is a list"),
        ({"task": "t", "schedule": 30, "kwargs": [1]}, "'kwargs' is a dict"),
        ({"task": "t", "schedule": 30, "catch_up": "maybe"}, "'catch_up' is one of skip, once, all"),
        ({"task": "t", "schedule": 30, "max_age": -1}, "'max_age' is a number of seconds"),
        ({"task": "t", "schedule": 30, "start": "soon"}, "'start' is a datetime"),
        ({"task": "t", "schedule": 30, "max_runs": 0}, "'max_runs' is a whole number"),
        ({"task": "t", "schedule": HOURLY, "timezone": "Mars"}, "there is no time zone 'Mars'"),
        ("t", "an entry is a dict"),
    ],
)
def test_what_cannot_be_an_entry_is_refused_by_name_and_key(given: Any, message: str) -> None:
    with pytest.raises(ParseException, match=message):
        read("e", given)


def test_an_entry_survives_storing() -> None:
    one = entry(
        crontab("*/5", timezone="Europe/Berlin"),
        args=[1, "a"],
        kwargs={"n": 1},
        options={"queue": "q", "expires": 10},
        catch_up="all",
        max_age=timedelta(hours=1),
        jitter=2,
        start=datetime(2026, 1, 1),
        end="2027-01-01T00:00:00+01:00",
        max_runs=5,
    )
    again = from_plain("e", to_plain(one))
    assert again.stored
    assert {**to_plain(again)} == {**to_plain(one)}
    with pytest.raises(ParseException, match="cannot be read from the store"):
        from_plain("e", {"task": "t"})
