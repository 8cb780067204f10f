"""``crontab``: Celery's, with seconds and a zone of its own. Each field is a set of numbers; all must match."""

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from umbel.core.errors import ParseException
from umbel.core.schedule import words
from umbel.core.schedule.base import App, Schedule
from umbel.core.schedule.grammar import FIELDS, Cronspec, expand
from umbel.core.schedule.zones import meant, name_of, on_the_wall, zone_of

_LONGEST_MONTH = {month: monthrange(2000, month)[1] for month in range(1, 13)}
_LAST_YEAR = 9999
_GIVEN = tuple(field.name for field in FIELDS)


class crontab(Schedule):
    """Due whenever a clock on the wall shows a time that matches all fields.

    ``minute`` 0-59, ``hour`` 0-23, ``day_of_week`` 0-7 (0 and 7 are Sunday) or names, ``day_of_month`` 1-31,
    ``month_of_year`` 1-12 or names, ``second`` 0-59. Each is a number, a collection of numbers, or text:
    ``"*"``, ``"*/15"``, ``"1,13,30-45,50-59/2"``, ``"mon-fri"``; ranges may wrap (``"22-2"``).

    ``timezone`` is the zone of that clock (default: the application's). What falls into an hour that it skips is due
    when it skips; what falls into an hour that it shows twice is due the first time only.

    Raises ``ParseException``, a ``ValueError``, that names the field and what it takes.
    """

    def __init__(
        self,
        minute: Cronspec | None = "*",
        hour: Cronspec | None = "*",
        day_of_week: Cronspec | None = "*",
        day_of_month: Cronspec | None = "*",
        month_of_year: Cronspec | None = "*",
        *,
        second: Cronspec | None = 0,
        timezone: str | tzinfo | None = None,
        nowfun: Callable[[], datetime] | None = None,
        app: App | None = None,
    ) -> None:
        super().__init__(nowfun=nowfun, app=app)
        given = (minute, hour, day_of_week, day_of_month, month_of_year, second)
        self._given = tuple("*" if spec is None else spec for spec in given)
        fields = [expand(field, spec) for field, spec in zip(FIELDS, self._given, strict=True)]
        self.minute, self.hour, self.day_of_week, self.day_of_month, self.month_of_year, self.second = fields
        self.timezone: tzinfo | None = zone_of(timezone) or self.__dict__.get("timezone")
        self._minutes, self._hours, self._seconds = sorted(self.minute), sorted(self.hour), sorted(self.second)
        self._months, self._days = sorted(self.month_of_year), sorted(self.day_of_month)
        if not any(day <= _LONGEST_MONTH[month] for month in self._months for day in self._days):
            raise ParseException(
                f"crontab(day_of_month={self._given[3]!r}, month_of_year={self._given[4]!r}): "
                "no such month has such a day"
            )

    @classmethod
    def from_string(cls, text: str, **options: Any) -> "crontab":
        """A line as cron has it: ``minute hour day-of-month month day-of-week``, and perhaps seconds as a sixth field.

        ``options`` are those of the constructor (``timezone``). Raises ``ParseException``.
        """
        fields = text.split()
        if len(fields) not in (5, 6):
            raise ParseException(
                f"crontab {text!r} has {len(fields)} fields; it takes five, minute hour day-of-month month "
                "day-of-week, and seconds as a sixth"
            )
        minute, hour, day, month, weekday, *second = fields
        return cls(minute, hour, weekday, day, month, second=second[0] if second else 0, **options)

    @property
    def tz(self) -> tzinfo:
        """The zone of the clock on the wall."""
        return self.timezone or super().tz

    @tz.setter
    def tz(self, zone: tzinfo | None) -> None:
        self.timezone = zone

    def __getattr__(self, name: str) -> Any:
        field = name.removeprefix("_orig_")  # Celery's names of what was given, which packages read
        if field != name and field in _GIVEN:
            return self._given[_GIVEN.index(field)]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def next_after(self, moment: datetime, last: datetime | None = None) -> datetime | None:
        """The first time that matches after ``moment``, in UTC."""
        zone = self.tz
        wall = on_the_wall(moment, zone)
        while True:
            found = self._next(wall)
            if found is None:
                return None
            due = found.replace(tzinfo=UTC) if zone is UTC else meant(found, zone)
            if due > moment:
                return due
            wall = found  # shown for the second time now

    def _next(self, wall: datetime) -> datetime | None:
        """The first matching time on the wall after ``wall``."""
        if self._is_day(wall.date()) and (later := self._later(wall.hour, wall.minute, wall.second)):
            return datetime(wall.year, wall.month, wall.day, *later)
        day = self._day_after(wall.date())
        if day is None:
            return None
        return datetime(day.year, day.month, day.day, self._hours[0], self._minutes[0], self._seconds[0])

    def _later(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        """The first matching time of the same day."""
        if hour in self.hour:
            if minute in self.minute and (found := _above(self._seconds, second)) is not None:
                return hour, minute, found
            if (found := _above(self._minutes, minute)) is not None:
                return hour, found, self._seconds[0]
        if (found := _above(self._hours, hour)) is not None:
            return found, self._minutes[0], self._seconds[0]
        return None

    def _is_day(self, day: date) -> bool:
        return (
            day.month in self.month_of_year
            and day.day in self.day_of_month
            and day.isoweekday() % 7 in self.day_of_week
        )

    def _day_after(self, day: date) -> date | None:
        for year in range(day.year, _LAST_YEAR + 1):
            for month in self._months:
                if (year, month) < (day.year, day.month):
                    continue
                length = monthrange(year, month)[1]
                for number in self._days:
                    if number > length:
                        break
                    found = date(year, month, number)
                    if found > day and found.isoweekday() % 7 in self.day_of_week:
                        return found
        return None

    @property
    def human_readable(self) -> str:
        """The schedule in words."""
        zone = (
            f" ({name_of(self.timezone) if hasattr(self.timezone, 'key') else self.timezone})" if self.timezone else ""
        )
        return (
            words.of_cron(self._seconds, self._minutes, self._hours, self.day_of_week, self._days, self._months) + zone
        )

    def line(self) -> str:
        """The fields as ``from_string`` reads them."""
        minute, hour, weekday, day, month, second = map(_text, self._given)
        five = f"{minute} {hour} {day} {month} {weekday}"
        return five if self.second == {0} else f"{five} {second}"

    def __repr__(self) -> str:
        minute, hour, weekday, day, month, second = map(_text, self._given)
        seconds = "" if self.second == {0} else f", second {second}"
        return f"<crontab: {minute} {hour} {day} {month} {weekday} (m/h/dM/MY/d){seconds}>"

    def _key(self) -> tuple[Any, ...]:
        sets = (self.minute, self.hour, self.day_of_week, self.day_of_month, self.month_of_year, self.second)
        return (*map(frozenset, sets), self.timezone, self.nowfun)

    def __reduce__(self) -> Any:
        return _rebuild, (self._given, self.timezone, self.nowfun)


def _rebuild(given: tuple[Any, ...], timezone: tzinfo | None, nowfun: Callable[[], datetime] | None) -> crontab:
    return crontab(*given[:5], second=given[5], timezone=timezone, nowfun=nowfun)


def _above(numbers: list[int], number: int) -> int | None:
    """The first of sorted ``numbers`` that is larger."""
    index = bisect_right(numbers, number)
    return numbers[index] if index < len(numbers) else None


def _text(spec: Cronspec) -> str:
    return str(spec) if isinstance(spec, int | str) else ",".join(map(str, sorted(spec)))
