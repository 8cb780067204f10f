"""``schedule``: every so many seconds, counted from when it was due last; and ``clocked``: once. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from umbel.core.errors import ParseException
from umbel.core.schedule.base import App, Schedule, aware, schedstate
from umbel.core.schedule.words import of_seconds
from umbel.core.schedule.zones import meant, on_the_wall

_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class schedule(Schedule):
    """Due every ``run_every`` seconds (a number or a timedelta), counted from when it was due last.

    With ``relative``, as Celery has it, the time is rounded down to the day, the hour or the minute, whichever is the
    largest that fits into the interval: every hour is then on the hour. Raises ``ParseException``, a ``ValueError``.
    """

    def __init__(
        self,
        run_every: float | timedelta | None = None,
        relative: bool = False,
        nowfun: Callable[[], datetime] | None = None,
        app: App | None = None,
    ) -> None:
        super().__init__(nowfun=nowfun, app=app)
        self.run_every = _interval(run_every)
        self.relative = relative

    @property
    def seconds(self) -> float:
        """The interval in seconds."""
        return self.run_every.total_seconds()

    def next_after(self, moment: datetime, last: datetime | None = None) -> datetime | None:
        """The first multiple of the interval after ``last`` that is later than ``moment``, in UTC."""
        moment = aware(moment)
        last = moment if last is None else aware(last)
        try:
            return self._rounded(moment, last) if self.relative else self._multiple(moment, last)
        except OverflowError:
            return None  # the calendar ends

    def _multiple(self, moment: datetime, last: datetime) -> datetime:
        return last + max(1, (moment - last) // self.run_every + 1) * self.run_every

    def _rounded(self, moment: datetime, last: datetime) -> datetime:
        found = self._round(last + self.run_every)
        return found if found > moment else max(self._round(moment + self.run_every), moment + timedelta.resolution)

    def _round(self, moment: datetime) -> datetime:
        wall = on_the_wall(moment, self.tz).replace(microsecond=0)
        if self.run_every >= _MINUTE:
            wall = wall.replace(second=0)
        if self.run_every >= _HOUR:
            wall = wall.replace(minute=0)
        if self.run_every >= _DAY:
            wall = wall.replace(hour=0)
        return meant(wall, self.tz)

    def passed(self, last: datetime, moment: datetime) -> datetime:
        """The last multiple that is not later than ``moment``: what follows stays on the same beat."""
        return last + max(0, (moment - last) // self.run_every) * self.run_every

    def first_from(self, start: datetime) -> datetime | None:
        """``start`` itself: the multiples are counted from there."""
        return start

    @property
    def human_seconds(self) -> str:
        """The interval in words, under Celery's name."""
        return of_seconds(self.seconds)

    @property
    def human_readable(self) -> str:
        """The schedule in words."""
        return f"every {self.human_seconds}{', on the clock' if self.relative else ''}"

    def __repr__(self) -> str:
        return f"<freq: {self.human_seconds}>"

    def _key(self) -> tuple[Any, ...]:
        return self.run_every, self.relative, self.nowfun

    def __reduce__(self) -> Any:
        return type(self), (self.run_every, self.relative, self.nowfun)


class clocked(Schedule):
    """Due once, at ``clocked_time`` (a datetime; a naive one is UTC). The name is django-celery-beat's."""

    def __init__(
        self, clocked_time: datetime, nowfun: Callable[[], datetime] | None = None, app: App | None = None
    ) -> None:
        super().__init__(nowfun=nowfun, app=app)
        if not isinstance(clocked_time, datetime):
            raise ParseException(f"clocked({clocked_time!r}): the time is a datetime")
        self.clocked_time = aware(clocked_time)

    def next_after(self, moment: datetime, last: datetime | None = None) -> datetime | None:
        """The time, unless it has passed."""
        return self.clocked_time if self.clocked_time > aware(moment) else None

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Whether it has come due since ``last_run_at``; after that there is no next time."""
        left = (self.clocked_time - self.now()).total_seconds()
        if aware(last_run_at) >= self.clocked_time:
            return schedstate(False, None)
        return schedstate(True, None) if left <= 0 else schedstate(False, left)

    @property
    def human_readable(self) -> str:
        """The schedule in words."""
        return f"once, at {self.clocked_time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def __repr__(self) -> str:
        return f"<clocked: {self.clocked_time.isoformat()}>"

    def _key(self) -> tuple[Any, ...]:
        return (self.clocked_time,)

    def __reduce__(self) -> Any:
        return type(self), (self.clocked_time, self.nowfun)


def _interval(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        found = value
    elif isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ParseException(f"schedule({value!r}): an interval is a number of seconds or a timedelta")
    else:
        try:
            found = timedelta(seconds=value)
        except OverflowError:
            raise ParseException(f"schedule({value!r}): the calendar does not have so many seconds") from None
    if found <= timedelta():
        raise ParseException(f"schedule({value!r}): an interval is more than 0 seconds")
    return found
