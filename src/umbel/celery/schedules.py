"""Celery's ``schedules``: Umbel's own; a base class for schedules in Celery's shape, and the parser of their fields."""

from datetime import UTC, datetime, timedelta
from typing import Any

from umbel.celery import offered
from umbel.core.errors import ParseException
from umbel.core.schedule import Schedule, crontab, schedstate, schedule, solar
from umbel.core.schedule.base import aware
from umbel.core.schedule.grammar import FIELDS, Field, expand


class _AnySchedule(type):
    """Every schedule is an instance of ``BaseSchedule``, as in Celery."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Schedule) if cls is BaseSchedule else super().__instancecheck__(instance)


class BaseSchedule(Schedule, metaclass=_AnySchedule):
    """A schedule in Celery's shape: a subclass defines ``remaining_estimate``, or ``is_due``, which ask the clock.

    Umbel's own schedules define ``next_after``, which asks none. A subclass that does not is asked what it has.
    """

    def __init__(self, nowfun: Any = None, app: Any = None) -> None:
        super().__init__(nowfun=nowfun, app=app)

    def next_after(self, moment: datetime, last: datetime | None = None) -> datetime | None:
        """When it is due next, by what it says now."""
        kind, since = type(self), aware(moment if last is None else last)
        now = self.now()
        if kind.remaining_estimate is not Schedule.remaining_estimate:
            left: timedelta | None = self.remaining_estimate(since)
        elif kind.is_due is not Schedule.is_due:
            is_due, seconds = self.is_due(since)
            left = timedelta(0) if is_due else None if seconds is None else timedelta(seconds=seconds)
        else:
            raise NotImplementedError(f"{kind.__name__} says when it is due: define remaining_estimate or is_due")
        if left is None or left >= timedelta.max - timedelta(days=1):
            return None
        return max(aware(now + left), aware(moment) + timedelta.resolution)

    @property
    def utc_enabled(self) -> bool:
        """Whether times are in UTC."""
        return bool(self.app.conf.enable_utc)  # type: ignore[attr-defined]  # an application's

    def to_local(self, dt: datetime) -> datetime:
        """The same time in the schedule's zone."""
        return aware(dt).astimezone(self.tz)

    def maybe_make_aware(self, dt: datetime, naive_as_utc: bool = True) -> datetime:
        """A time without a zone, read as UTC, in the schedule's zone; another one as it is."""
        if dt.tzinfo is not None:
            return dt
        return dt.replace(tzinfo=UTC).astimezone(self.tz) if naive_as_utc else dt.replace(tzinfo=self.tz)


class crontab_parser:
    """What a field of a crontab means, ``max_`` numbers from ``min_`` on: ``crontab_parser(60).parse("*/15")``."""

    ParseException = ParseException

    def __init__(self, max_: int = 60, min_: int = 0) -> None:
        self.max_, self.min_ = max_, min_
        named = {(field.least, field.most): field.names for field in FIELDS if field.names}
        bounds = (min_, max_ + min_ - 1)
        self._field = Field("field", *bounds, named.get(bounds, ()))

    def parse(self, spec: str) -> set[int]:
        """The numbers. Raises ``ParseException``, a ``ValueError``."""
        return set(expand(self._field, spec))


def maybe_schedule(s: Any, relative: bool = False, app: Any = None) -> Any:
    """A schedule of a number of seconds or a timedelta; a schedule as it is, which gets ``app``."""
    if isinstance(s, int | float | timedelta) and not isinstance(s, bool):
        return schedule(s, relative, app=app)
    if s is not None:
        s.app = app
    return s


__all__ = [
    "BaseSchedule",
    "ParseException",
    "crontab",
    "crontab_parser",
    "maybe_schedule",
    "schedstate",
    "schedule",
    "solar",
]

__getattr__ = offered.names_not_in(__name__)
