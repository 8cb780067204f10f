import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.schedule.wall import BOUNDS, NAMES, Wall, numbers, utc
from umbel import crontab
from umbel.core.errors import ImproperlyConfigured, ParseException
from umbel.core.schedule import from_plain, to_plain

NOW = utc(2026, 11, 20, 20, 30, 15)


@st.composite
def parts(draw: st.DrawFn, field: str) -> str:
    least, most = BOUNDS[field]
    names = {number: name for name, number in NAMES.get(field, {}).items()}

    def number() -> str:
        value = draw(st.integers(least, most))
        return draw(st.sampled_from([str(value), names.get(value, str(value)), names.get(value, str(value)).upper()]))

    kind = draw(st.sampled_from(["*", "n", "range"]))
    if kind == "n":
        return number()
    span = "*" if kind == "*" else f"{number()}-{number()}"
    return span + draw(st.sampled_from(["", "/1", "/2", "/7"]))


def field(name: str) -> st.SearchStrategy[str]:
    return st.lists(parts(name), min_size=1, max_size=3).map(",".join)


LINES = st.tuples(*(field(name) for name in BOUNDS)).map(" ".join)


def nexts(cron: crontab, count: int, after: datetime = NOW) -> list[datetime]:
    found = []
    for _ in range(count):
        due = cron.next_after(after)
        assert due is not None
        found.append(due)
        after = due
    return found


@settings(max_examples=300, deadline=None)
@given(line=LINES, start=st.integers(0, 365 * 1440))
def test_whatever_the_grammar_allows_ticks_as_enumerated(line: str, start: int) -> None:
    first = utc(2026) + timedelta(minutes=start)
    try:
        cron = crontab.from_string(line, timezone="UTC")
    except ParseException as error:
        _, _, day, month, _ = line.split()
        longest = max({2: 29, 4: 30, 6: 30, 9: 30, 11: 30}.get(number, 31) for number in numbers("month", month))
        if min(numbers("day", day)) <= longest:
            raise AssertionError(line) from error
        return
    days = 400
    wall = Wall(line, first.date(), days)
    end = utc(first.year, first.month, first.day) + timedelta(days=days)
    expected = [tick for _, tick in zip(range(20), wall.ticks([(first, timedelta())], end), strict=False)]
    at = first
    found: list[datetime] = []
    while len(found) < len(expected) + 1 and (due := cron.next_after(at)) is not None and due < end:
        found.append(due)
        at = due
    assert found[: len(expected)] == expected
    assert len(expected) == 20 or found == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"minute": 7}, {7}),
        ({"minute": "*/15"}, {0, 15, 30, 45}),
        ({"minute": "1,13,30-45/5,58-1"}, {1, 13, 30, 35, 40, 45, 58, 59, 0}),
        ({"minute": {1, 2}}, {1, 2}),
        ({"minute": [3, 4]}, {3, 4}),
        ({"minute": " 5 , 6"}, {5, 6}),
        ({"minute": None}, set(range(60))),
    ],
)
def test_minutes(given: dict[str, Any], expected: set[int]) -> None:
    assert crontab(**given).minute == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", {0}),
        ("5-7", {5, 6, 0}),
        ("0-7", set(range(7))),
        ("7-2", {0, 1, 2}),
        ("fri-mon", {5, 6, 0, 1}),
        ("Monday,WEDNESDAY", {1, 3}),
        ("sun-sat/3", {0, 3, 6}),
    ],
)
def test_seven_is_sunday_and_days_have_names(text: str, expected: set[int]) -> None:
    assert crontab(day_of_week=text).day_of_week == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"minute": "61"}, r"crontab\(minute='61'\): 61 is out of range; minute is 0 to 59"),
        ({"minute": 60}, "60 is out of range; minute is 0 to 59"),
        ({"hour": "24"}, "hour is 0 to 23"),
        ({"day_of_week": 8}, "day_of_week is 0 to 6, 7 being 0 too, or sun to sat"),
        ({"day_of_month": 0}, "day_of_month is 1 to 31"),
        ({"month_of_year": "foo"}, "'foo' is not understood; month_of_year is 1 to 12, or jan to dec"),
        ({"minute": "jan"}, "'jan' is not understood; minute is 0 to 59"),
        ({"minute": ""}, "a part is empty"),
        ({"minute": "1,,2"}, "a part is empty"),
        ({"minute": "*/0"}, r"the step in '\*/0' is a number, 1 or more"),
        ({"minute": "*/"}, r"the step in '\*/' is a number"),
        ({"minute": "5/10"}, r"a step needs '\*' or a range: '5-59/10'"),
        ({"minute": "*-5"}, r"'\*-5' is not understood"),
        ({"minute": "-5"}, "'-5' is not understood"),
        ({"minute": []}, "nothing is left"),
        ({"minute": ["1"]}, "'1' is no number"),
        ({"second": 60}, "second is 0 to 59"),
        ({"day_of_month": "30-31", "month_of_year": 2}, "no such month has such a day"),
        ({"timezone": "Mars/Olympus"}, "there is no time zone 'Mars/Olympus': write a name such as 'Europe/Berlin'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_field_and_what_it_takes(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ParseException, match=message) as raised:
        crontab(**given)
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, ImproperlyConfigured)


def test_what_is_no_field_at_all_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a number, text such as"):
        crontab(minute=1.5)  # type: ignore[arg-type]
    with pytest.raises(ParseException, match="has 4 fields; it takes five"):
        crontab.from_string("* * * *")


def test_the_fields_of_a_line_are_in_the_order_of_cron_and_those_of_the_class_in_celerys() -> None:
    line = crontab.from_string("1 2 3 4 5")
    assert line == crontab("1", "2", "5", "3", "4")
    fields = (line.minute, line.hour, line.day_of_month, line.month_of_year, line.day_of_week)
    assert [set(field) for field in fields] == [{1}, {2}, {3}, {4}, {5}]
    assert repr(line) == "<crontab: 1 2 3 4 5 (m/h/dM/MY/d)>"


def test_all_fields_must_match() -> None:
    """Celery's rule; cron itself takes either the day of the month or that of the week."""
    assert nexts(crontab.from_string("0 0 13 * fri"), 2) == [utc(2027, 8, 13), utc(2028, 10, 13)]


def test_a_sixth_field_is_seconds() -> None:
    assert nexts(crontab.from_string("* * * * * 5,35"), 3) == [
        utc(2026, 11, 20, 20, 30, 35),
        utc(2026, 11, 20, 20, 31, 5),
        utc(2026, 11, 20, 20, 31, 35),
    ]
    assert crontab(second="*/20").second == {0, 20, 40}
    assert crontab.from_string("0 8 * * *") == crontab(minute=0, hour=8)


def test_a_leap_day_on_a_monday_is_found() -> None:
    assert nexts(crontab.from_string("0 0 29 2 mon"), 2) == [utc(2044, 2, 29), utc(2072, 2, 29)]
    assert crontab.from_string("0 0 29 2 *").next_after(utc(2096, 3)) == utc(2104, 2, 29)


def test_the_calendar_ends() -> None:
    assert crontab.from_string("0 0 1 1 *", timezone="UTC").next_after(utc(9999, 6)) is None


def test_parts_of_a_second_are_later_than_it() -> None:
    every = crontab.from_string("* * * * * *")
    assert every.next_after(NOW) == NOW + timedelta(seconds=1)
    assert every.next_after(NOW + timedelta(microseconds=1)) == NOW + timedelta(seconds=1)
    assert every.next_after(NOW - timedelta(microseconds=1)) == NOW


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 8 * * mon-fri", "at 08:00 on Monday to Friday"),
        ("0 8,20 * * *", "at 08:00, 20:00"),
        ("*/15 * * * *", "every 15 minutes"),
        ("* * * * *", "every minute"),
        ("* * * * * *", "every second"),
        ("* * * * * */10", "every 10 seconds"),
        ("5,10 8-17 1 * *", "minute 5, 10 of hour 8 to 17 on day 1 of the month"),
        ("0 0 1 1,7 *", "at 00:00 on day 1 of the month in January, July"),
        ("30 1 * * sat,sun", "at 01:30 on Saturday, Sunday"),
    ],
)
def test_words(line: str, words: str) -> None:
    assert crontab.from_string(line).human_readable == words


def test_words_say_the_zone() -> None:
    assert crontab.from_string("0 8 * * *", timezone="Europe/Berlin").human_readable == "at 08:00 (Europe/Berlin)"


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_a_crontab_survives_storing(zone: str | None) -> None:
    cron = crontab("*/5", {8, 9}, "mon-fri", [1, 2], None, second=3, timezone=zone)
    again = from_plain(to_plain(cron))
    assert again == cron
    assert hash(again) == hash(cron)
    assert again != crontab("*/5", timezone=zone)


def test_a_zone_without_a_name_cannot_be_stored() -> None:
    with pytest.raises(ParseException, match="has no name to be stored by"):
        to_plain(crontab(timezone=timezone(timedelta(hours=1))))


def test_a_crontab_survives_pickling() -> None:
    cron = crontab("*/5", {8, 9}, "mon-fri", second=3, timezone="Europe/Berlin")
    assert pickle.loads(pickle.dumps(cron)) == cron
