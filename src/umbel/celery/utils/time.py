"""Celery's ``utils.time``: times with zones, and spans of time in words. Takes the time from Umbel's clock."""

import random
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from umbel.runtime.clock import SYSTEM

DAYNAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
WEEKDAYS = dict(zip(DAYNAMES, range(7), strict=True))
RATE_MODIFIER_MAP = {"s": 1.0, "m": 60.0, "h": 3600.0}
UNITS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


class LocalTimezone(tzinfo):
    """The zone of this machine, as it is at each moment."""

    def _here(self, dt: datetime | None) -> datetime:
        return (dt or datetime.fromtimestamp(SYSTEM.now())).replace(tzinfo=None).astimezone()

    def utcoffset(self, dt: datetime | None) -> timedelta:
        """How far it is from UTC."""
        return self._here(dt).utcoffset() or timedelta(0)

    def dst(self, dt: datetime | None) -> timedelta:
        """How much of that is daylight saving, where the system says."""
        return self._here(dt).dst() or timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        """Its name."""
        return self._here(dt).tzname() or ""


class _Zones:
    """Celery's ``timezone``: UTC, this machine's, and others by name."""

    utc = ZoneInfo("UTC")

    @property
    def local(self) -> LocalTimezone:
        """The zone of this machine."""
        return LocalTimezone()

    def get_timezone(self, zone: Any) -> tzinfo:
        """A zone by its name; a zone as it is."""
        return ZoneInfo(zone) if isinstance(zone, str) else zone

    def tz_or_local(self, tzinfo: Any = None) -> tzinfo:
        """The zone, or this machine's."""
        return self.local if tzinfo is None else self.get_timezone(tzinfo)

    def to_local(self, dt: datetime, local: Any = None, orig: Any = None) -> datetime:
        """A time of the zone ``orig`` (UTC), in ``local``."""
        if is_naive(dt):
            dt = make_aware(dt, self.get_timezone(orig or self.utc))
        return dt.astimezone(self.tz_or_local(local))

    def to_system(self, dt: datetime) -> datetime:
        """The same time in this machine's zone."""
        return dt.astimezone(self.local)

    to_local_fallback = to_system


timezone = _Zones()


class ffwd:
    """A step forward, to be added to a datetime: fields are set, ``weeks``, ``hours`` … are added."""

    _FIELDS = ("year", "month", "day", "hour", "minute", "second", "microsecond")

    def __init__(self, weeks: float = 0, weekday: int | None = None, **fields: Any) -> None:
        self.weeks, self.weekday = weeks, weekday
        self._set = {name: fields.pop(name) for name in self._FIELDS if fields.get(name) is not None}
        self.days = weeks * 7

    def __radd__(self, other: Any) -> Any:
        if not isinstance(other, datetime):
            return NotImplemented
        year, month = self._set.get("year", other.year), self._set.get("month", other.month)
        day = min(monthrange(year, month)[1], self._set.get("day", other.day))
        found = other.replace(**{**self._set, "year": year, "month": month, "day": day})
        if self.weekday is not None:
            found += timedelta(days=(7 - found.weekday() + self.weekday) % 7)
        return found + timedelta(days=self.days)

    __add__ = __radd__

    def __repr__(self) -> str:
        return f"ffwd({', '.join(f'{name}={value!r}' for name, value in self._set.items())})"


def is_naive(dt: datetime) -> bool:
    """Whether it is of no zone."""
    return dt.utcoffset() is None


def make_aware(dt: datetime, tz: tzinfo) -> datetime:
    """The time on the wall, read in ``tz``; of a time that has a zone, the same time in ``tz``."""
    return dt.replace(tzinfo=tz) if is_naive(dt) else dt.astimezone(tz)


def maybe_make_aware(dt: datetime, tz: tzinfo | None = None, naive_as_utc: bool = True) -> datetime:
    """A time without a zone, read as UTC and shown in ``tz`` (or read in ``tz``); another one as it is."""
    if not is_naive(dt):
        return dt
    zone = timezone.utc if tz is None else timezone.tz_or_local(tz)
    return to_utc(dt).astimezone(zone) if naive_as_utc else dt.replace(tzinfo=zone)


def localize(dt: datetime, tz: tzinfo) -> datetime:
    """The same time in another zone; one without a zone is read in it."""
    return dt.replace(tzinfo=tz) if is_naive(dt) else dt.astimezone(tz)


def to_utc(dt: datetime) -> datetime:
    """The time on the wall, read as UTC; of a time that has a zone, the same in UTC."""
    return make_aware(dt, timezone.utc)


def maybe_iso8601(dt: datetime | str | None) -> datetime | None:
    """A time, also as ISO 8601 text."""
    return datetime.fromisoformat(dt) if isinstance(dt, str) else dt or None


def maybe_timedelta(delta: Any) -> Any:
    """A number of seconds as a timedelta; anything else as it is."""
    return timedelta(seconds=delta) if isinstance(delta, int | float) else delta


def delta_resolution(dt: datetime, delta: timedelta) -> datetime:
    """The time, cut to days, hours or minutes: the largest of them that ``delta`` has in it."""
    seconds = max(delta.total_seconds(), 0)
    cut: dict[str, Any] = {"second": 0, "microsecond": 0}
    for span, more in ((86400, {"hour": 0, "minute": 0}), (3600, {"minute": 0}), (60, {})):
        if seconds >= span:
            return dt.replace(**{**more, **cut})
    return dt


def subtract_datetimes(end: datetime, start: datetime) -> timedelta:
    """How much time lies between; times without a zone are UTC."""
    return to_utc(end) - to_utc(start)


def add_seconds_to_datetime(dt: datetime, seconds: float) -> datetime:
    """So many seconds later, on a clock that is set forward and back."""
    later = to_utc(dt).astimezone(UTC) + timedelta(seconds=seconds)
    return later.replace(tzinfo=None) if is_naive(dt) else later.astimezone(dt.tzinfo)


def remaining(start: datetime, ends_in: Any, now: datetime | None = None, relative: bool = False) -> timedelta:
    """How long it is until ``ends_in`` after ``start``; negative where that has passed.

    ``relative`` counts from ``start``, cut to the resolution of ``ends_in``.
    """
    now = maybe_make_aware(now) if now is not None else datetime.fromtimestamp(SYSTEM.now(), UTC)
    end = maybe_make_aware(start) + ends_in
    if relative:
        end = delta_resolution(end, ends_in)
    return subtract_datetimes(end, now)


def rate(r: str | float | None) -> float:
    """A rate limit as calls per second: ``"100/m"``, or a number."""
    if not r:
        return 0
    if isinstance(r, str):
        count, _, unit = r.partition("/")
        return float(count) / RATE_MODIFIER_MAP[unit or "s"]
    return float(r)


def weekday(name: str) -> int:
    """The number of a day by the first three letters of its name: 0 is Sunday. Raises ``KeyError``."""
    short = name[:3].lower()
    if short not in WEEKDAYS:
        raise KeyError(name)
    return WEEKDAYS[short]


def humanize_seconds(secs: float, prefix: str = "", sep: str = "", now: str = "now", microseconds: bool = False) -> str:
    """A span of time in the largest unit that it has one of: ``1.02 hours``."""
    for span, unit in UNITS:
        if secs >= span:
            count = secs / span
            return f"{prefix}{sep}{count:.2f} {unit}{'s' if count > 1 else ''}"
    return f"{prefix}{sep}{secs:.2f} seconds" if microseconds and secs > 0 else now


def utcoffset(time: Any = None, localtime: Callable[..., Any] | None = None) -> float:
    """How many hours this machine's clock is behind UTC."""
    return -LocalTimezone().utcoffset(None).total_seconds() / 3600


def adjust_timestamp(ts: float, offset: float, here: Callable[..., float] = utcoffset) -> float:
    """A timestamp of a clock that is ``offset`` hours behind UTC, by the clock here."""
    return ts - (offset - here()) * 3600


def get_exponential_backoff_interval(factor: int, retries: int, maximum: int, full_jitter: bool = False) -> int:
    """Seconds to wait before a retry: ``factor`` times two to the power of ``retries``, or by chance up to that."""
    seconds = min(maximum, factor * 2**retries)
    return max(0, random.randrange(int(seconds) + 1) if full_jitter else seconds)
