"""The options of a call: how layers merge, and what times and rates mean. Pure; the time is passed in."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from math import isfinite
from typing import Any

import msgspec

_PER = {"s": 1.0, "m": 60.0, "h": 3600.0}


def merge(*layers: Mapping[str, Any] | None) -> dict[str, Any]:
    """One dict of many: later layers win, and None in a layer means "not said".

    For a call the layers are, as in Celery: what the routes say, the task's attributes, the options of the call.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        if layer:
            merged.update((name, value) for name, value in layer.items() if value is not None)
    return merged


def delivery_mode(given: object, default: int) -> int:
    """AMQP's number of a delivery mode: 1 or ``"transient"``, 2 or ``"persistent"``; None is ``default``."""
    if given is None:
        return default
    for number, name in ((1, "transient"), (2, "persistent")):
        if given in (number, name):
            return number
    raise ValueError(f"delivery_mode is 1 ('transient') or 2 ('persistent'), not {given!r}")


def priority_of(given: Any) -> int:
    """A priority as a number, also of text that is one. Raises ``TypeError`` or ``ValueError`` for anything else."""
    number = int(given)
    if number != float(given):
        raise ValueError(f"priority is a whole number, not {given!r}")
    return number


def seconds_of(given: Any, option: str) -> float | None:
    """A time limit in seconds, of a number or a timedelta; None is none. Raises ``TypeError``."""
    return None if given is None else _seconds(given, option)


class Timing(msgspec.Struct, frozen=True):
    """When a call may run and when it is too late, as the message carries it.

    ``eta`` and ``expires`` are ISO 8601 text with an offset; ``due`` is ``eta`` in wall seconds, None for at once;
    ``expiration`` is the time to live from now as text in milliseconds.
    """

    eta: str | None = None
    due: float | None = None
    expires: str | None = None
    expiration: str | None = None


_NOW = Timing()


def timing(
    *,
    countdown: float | timedelta | None = None,
    eta: datetime | str | None = None,
    expires: float | timedelta | datetime | str | None = None,
    now: float,
    zone: tzinfo = UTC,
) -> Timing:
    """Read ``countdown``, ``eta`` and ``expires`` of a call. ``now`` is wall seconds, ``zone`` is for what is written.

    ``countdown`` is seconds, and beats ``eta``. ``expires`` is seconds or a time. A time without an offset is UTC, as
    Celery's workers read it; text is ISO 8601. What lies in the past is legal: it runs, or has expired, at once.

    Raises ``TypeError`` or ``ValueError`` that name the option.
    """
    if countdown is None and eta is None and expires is None:
        return _NOW
    due = last = None
    if countdown:
        due = now + _seconds(countdown, "countdown")
    elif eta is not None:
        due = _moment(eta, "eta").timestamp()
    if isinstance(expires, datetime | str):
        last = _moment(expires, "expires").timestamp()
    elif expires is not None:
        last = now + _seconds(expires, "expires")
    return Timing(
        None if due is None else _text(due, zone, "countdown"),
        due,
        None if last is None else _text(last, zone, "expires"),
        None if last is None else str(max(0, int((last - now) * 1000))),
    )


def timestamp(text: str) -> float:
    """Wall seconds of the ``eta`` or ``expires`` of a message. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _seconds(value: Any, option: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{option} is a number of seconds or a timedelta, not {type(value).__name__} {value!r}")
    if not isfinite(value):
        raise ValueError(f"{option} is a finite number of seconds, not {value!r}")
    return value


def _moment(value: Any, option: str) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{option}={value!r} is no ISO 8601 time, such as 2026-11-20T15:36:22+00:00") from None
    if not isinstance(value, datetime):
        hint = "; for seconds from now there is countdown" if isinstance(value, int | float | timedelta) else ""
        raise TypeError(f"{option} is a datetime or ISO 8601 text, not {type(value).__name__} {value!r}{hint}")
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _text(seconds: float, zone: tzinfo, option: str) -> str:
    try:
        return datetime.fromtimestamp(seconds, zone).isoformat()
    except (OverflowError, ValueError, OSError):
        raise ValueError(f"{option} leads to a time that the calendar does not have") from None


def parse_rate(rate: str | float | None) -> float | None:
    """Seconds between two starts at ``"10/s"``, ``"5/m"``, ``"1/h"`` or a number per second. None: no limit (also 0).

    Raises ``ValueError`` for anything else.
    """
    if rate is None or rate == "":
        return None
    number, slash, unit = rate.partition("/") if isinstance(rate, str) else (rate, "", "")
    try:
        starts = float(number)
        per = _PER[unit.strip()] if slash else 1.0
    except (TypeError, ValueError, KeyError):
        starts = per = -1.0
    if not (isfinite(starts) and starts >= 0) or isinstance(rate, bool):
        raise ValueError(f"{rate!r} is no rate: write '10/s', '5/m', '1/h', or a number per second")
    return per / starts if starts else None
