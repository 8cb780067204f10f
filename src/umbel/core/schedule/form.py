"""Schedules as plain data, to be stored and shown; and whatever a user may write for a schedule. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from umbel.core.errors import ParseException
from umbel.core.schedule.base import Schedule
from umbel.core.schedule.cron import crontab
from umbel.core.schedule.interval import clocked, schedule
from umbel.core.schedule.sun import solar
from umbel.core.schedule.zones import name_of

Plain = Mapping[str, Any]


def make_schedule(value: Any, *, relative: bool = False, timezone: Any = None) -> Schedule:
    """The schedule that ``value`` means: seconds, a timedelta, a line of cron, a datetime, or a schedule itself.

    ``relative`` is for intervals, ``timezone`` for crontabs without a zone. Raises ``ParseException``.
    """
    if isinstance(value, str):
        return crontab.from_string(value, timezone=timezone)
    if isinstance(value, datetime):
        return clocked(value)
    if isinstance(value, int | float | timedelta) and not isinstance(value, bool):
        return schedule(value, relative)
    if not isinstance(value, Schedule):
        raise ParseException(
            f"{value!r} is no schedule: give seconds, a timedelta, a line of cron, a datetime, or crontab(), "
            "schedule(), solar(), clocked()"
        )
    if timezone is not None and isinstance(value, crontab) and value.timezone is None:
        return crontab.from_string(value.line(), timezone=timezone, nowfun=value.nowfun)
    return value


def to_plain(value: Schedule) -> dict[str, Any]:
    """A schedule as JSON can hold it. Raises ``ParseException`` for one of a class that is not Umbel's."""
    kind = type(value).__name__
    if kind not in _FORMS or not isinstance(value, (crontab, schedule, solar, clocked)):
        raise ParseException(f"{value!r} cannot be stored: only crontab, schedule, solar and clocked can")
    return {"kind": kind, **_FORMS[kind](value)}


def from_plain(plain: Plain) -> Schedule:
    """The schedule again. Raises ``ParseException`` for anything else."""
    try:
        rest = {name: value for name, value in plain.items() if name != "kind"}
        return _MAKERS[plain["kind"]](rest)
    except ParseException:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ParseException(f"no schedule can be read from {plain!r:.200}: {error}") from None


_FORMS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "crontab": lambda cron: {"line": cron.line(), "timezone": name_of(cron.timezone)},
    "schedule": lambda interval: {"seconds": interval.seconds, "relative": interval.relative},
    "solar": lambda sun: {"event": sun.event, "lat": sun.lat, "lon": sun.lon},
    "clocked": lambda once: {"at": once.clocked_time.isoformat()},
}
_MAKERS: dict[str, Callable[[dict[str, Any]], Schedule]] = {
    "crontab": lambda rest: crontab.from_string(rest["line"], timezone=rest["timezone"]),
    "schedule": lambda rest: schedule(rest["seconds"], bool(rest["relative"])),
    "solar": lambda rest: solar(**rest),
    "clocked": lambda rest: clocked(datetime.fromisoformat(rest["at"])),
}
