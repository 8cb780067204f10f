"""What every schedule can say: when it is due next, in Umbel's words and in Celery's. Knows no kind of schedule.

Times are aware datetimes; a naive one is taken as UTC, as Celery takes it. What ``next_after`` returns is in UTC:
Python compares two times of one zone by their hands on the wall, which in an overlap is wrong.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar, NamedTuple, Protocol

from umbel.core.errors import ImproperlyConfigured


class schedstate(NamedTuple):
    """What ``is_due`` answers, under Celery's name: whether it is due, and in how many seconds to ask again."""

    is_due: bool
    next: float | None


class App(Protocol):
    """What a schedule asks of an application."""

    @property
    def timezone(self) -> tzinfo:
        """The zone of schedules that name none."""

    def now(self) -> datetime:
        """The time."""


class Schedule:
    """When something is due. Subclasses define ``next_after``; a custom schedule needs nothing else.

    ``nowfun`` and ``app`` are Celery's: where Celery's methods take the time from. Umbel's own code passes it.
    """

    ambient: ClassVar[Callable[[], App | None]] = staticmethod(lambda: None)
    """The current application, if there is one, for schedules without one. Set by ``app.ambient``."""

    def __init__(self, *, nowfun: Callable[[], datetime] | None = None, app: App | None = None) -> None:
        self.nowfun = nowfun
        self._app = app

    def next_after(self, moment: datetime, last: datetime | None = None) -> datetime | None:
        """The first time it is due after ``moment``, in UTC; None if never again.

        ``last`` is when it was due last. It matters to schedules that count from there; without it they count from
        ``moment``.
        """
        raise NotImplementedError(f"{type(self).__name__} says when it is due: define next_after")

    def passed(self, last: datetime, moment: datetime) -> datetime:
        """What to count from as if everything up to ``moment`` had run, ``last`` being the last that did."""
        return max(last, moment)

    def first_from(self, start: datetime) -> datetime | None:
        """The first time it is due, where it may not be due before ``start``."""
        return self.next_after(start - timedelta(microseconds=1))

    @property
    def human_readable(self) -> str:
        """The schedule in words."""
        return repr(self)

    # Of an application ------------------------------------------------------------------------------------------------

    @property
    def app(self) -> App:
        """The application that it was given, or the current one."""
        found = self._app or Schedule.ambient()
        if found is None:
            raise ImproperlyConfigured(f"{self!r} has no application to ask for the time: pass app= or nowfun=")
        return found

    @app.setter
    def app(self, app: App | None) -> None:
        self._app = app

    def bound(self, app: App) -> "Schedule":
        """Take ``app`` unless one was given before, and return the schedule."""
        if self._app is None:
            self._app = app
        return self

    @property
    def tz(self) -> tzinfo:
        """The zone that it is read in: the application's, or UTC without one."""
        found = self._app or Schedule.ambient()
        return UTC if found is None else found.timezone

    # As Celery's code asks --------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time, by ``nowfun`` or the application."""
        return aware(self.nowfun() if self.nowfun is not None else self.app.now())

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """How long from now until it is due after ``last_run_at``; negative where that has passed."""
        last = aware(last_run_at)
        due = self.next_after(last, last)
        return timedelta.max if due is None else due - self.now()

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Whether it has come due since ``last_run_at``, and in how many seconds to ask again."""
        left = self.remaining_estimate(last_run_at).total_seconds()
        if left > 0:
            return schedstate(False, left)
        return schedstate(True, max(0.0, self.remaining_estimate(self.now()).total_seconds()))

    # Equality and pickling by what defines it -------------------------------------------------------------------------

    def _key(self) -> tuple[Any, ...]:
        """The arguments that make an equal one."""
        return (id(self),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return type(other) is type(self) and other._key() == self._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))


def aware(moment: datetime) -> datetime:
    """The same in UTC; a naive one is UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
