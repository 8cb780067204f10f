"""What the options of a call mean: merging, times, rates."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.core.options import Timing, merge, parse_rate, timestamp, timing

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC).timestamp()


def test_later_layers_win_and_none_says_nothing() -> None:
    assert merge({"queue": "a", "priority": 1}, None, {"queue": "b", "priority": None}) == {"queue": "b", "priority": 1}


def test_a_value_that_is_false_is_said() -> None:
    assert merge({"ignore_result": True, "priority": 3}, {"ignore_result": False, "priority": 0}) == {
        "ignore_result": False,
        "priority": 0,
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Timing()),
        ({"countdown": 0}, Timing()),
        ({"countdown": 10}, Timing("2026-11-20T12:00:10+00:00", NOW + 10)),
        ({"countdown": timedelta(minutes=1)}, Timing("2026-11-20T12:01:00+00:00", NOW + 60)),
        ({"countdown": -5}, Timing("2026-11-20T11:59:55+00:00", NOW - 5)),
        ({"countdown": 10, "eta": "2030-01-01"}, Timing("2026-11-20T12:00:10+00:00", NOW + 10)),
        ({"eta": datetime(2026, 11, 20, 13)}, Timing("2026-11-20T13:00:00+00:00", NOW + 3600)),
        ({"eta": "2026-11-20T14:00:00+01:00"}, Timing("2026-11-20T13:00:00+00:00", NOW + 3600)),
        ({"eta": "2026-11-20T13:00:00Z"}, Timing("2026-11-20T13:00:00+00:00", NOW + 3600)),
        ({"expires": 1.5}, Timing(expires="2026-11-20T12:00:01.500000+00:00", expiration="1500")),
        ({"expires": 0}, Timing(expires="2026-11-20T12:00:00+00:00", expiration="0")),
        ({"expires": datetime(2026, 11, 20, 11)}, Timing(expires="2026-11-20T11:00:00+00:00", expiration="0")),
        (
            {"expires": datetime(2026, 11, 20, 14, tzinfo=timezone(timedelta(hours=1)))},
            Timing(expires="2026-11-20T13:00:00+00:00", expiration="3600000"),
        ),
    ],
)
def test_times_of_a_call(given: dict[str, Any], expected: Timing) -> None:
    assert timing(**given, now=NOW) == expected


def test_the_text_has_the_offset_of_the_zone_and_means_the_same_moment() -> None:
    found = timing(countdown=10, now=NOW, zone=ZoneInfo("Europe/Vienna"))
    assert found.eta == "2026-11-20T13:00:10+01:00"
    assert timestamp(found.eta) == found.due


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"countdown": "10"}, TypeError, "countdown is a number of seconds or a timedelta, not str '10'"),
        ({"countdown": True}, TypeError, "countdown"),
        ({"countdown": float("nan")}, ValueError, "countdown is a finite number"),
        ({"countdown": 1e300}, ValueError, "countdown leads to a time that the calendar does not have"),
        ({"eta": 10}, TypeError, "there is countdown"),
        ({"eta": "tomorrow"}, ValueError, "eta='tomorrow' is no ISO 8601 time"),
        ({"expires": "soon"}, ValueError, "expires='soon'"),
        ({"expires": []}, TypeError, "expires is a number of seconds"),
    ],
)
def test_a_time_that_is_none_is_refused_by_name(given: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        timing(**given, now=NOW)


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_utc")
def test_a_time_without_offset_is_utc_wherever_the_caller_is() -> None:
    assert timing(eta=datetime(2026, 11, 20, 12), expires="2026-11-20T12:00:00", now=NOW) == Timing(
        "2026-11-20T12:00:00+00:00", NOW, "2026-11-20T12:00:00+00:00", "0"
    )


@pytest.mark.usefixtures("far_from_utc")
def test_a_time_without_offset_in_a_message_is_utc() -> None:
    assert timestamp("2026-11-20T12:00:00") == timestamp("2026-11-20T13:00:00+01:00") == NOW


@pytest.mark.parametrize(
    ("rate", "interval"),
    [
        ("10/s", 0.1),
        ("5/m", 12.0),
        ("1/h", 3600.0),
        ("0.5/s", 2.0),
        ("4", 0.25),
        (10, 0.1),
        (0.5, 2.0),
        (None, None),
        ("", None),
        (0, None),
        ("0/m", None),
    ],
)
def test_a_rate_is_an_interval(rate: str | float | None, interval: float | None) -> None:
    assert parse_rate(rate) == interval


@pytest.mark.parametrize("rate", ["fast", "1/d", "1/", -1, "-1/s", float("nan"), "inf/s", True, [], "1/s/s"])
def test_what_is_no_rate_is_refused_with_the_forms_that_are(rate: Any) -> None:
    with pytest.raises(ValueError, match="write '10/s', '5/m', '1/h', or a number per second"):
        parse_rate(rate)


@given(st.floats(0.001, 1e6), st.sampled_from("smh"))
def test_a_rate_times_its_interval_is_its_unit(number: float, unit: str) -> None:
    interval = parse_rate(f"{number}/{unit}")
    assert interval is not None
    assert interval * number == pytest.approx({"s": 1, "m": 60, "h": 3600}[unit])
