"""One entry of a scheduler in Celery's shape: what to call and when, and when it was called last."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from umbel.celery.schedules import maybe_schedule
from umbel.core.errors import UmbelError
from umbel.core.schedule import schedstate
from umbel.core.schedule.entry import LazyArgument as BeatLazyFunc
from umbel.runtime.clock import SYSTEM


class SchedulingError(UmbelError):
    """A call that was due could not be sent."""


class ScheduleEntry:
    """An entry. ``next(entry)`` is the same after one more run, with ``last_run_at`` now."""

    name: Any = None
    task: Any = None
    schedule: Any = None
    args: Any = None
    kwargs: Any = None
    options: Any = None
    last_run_at: Any = None
    total_run_count: int = 0

    def __init__(
        self,
        name: str | None = None,
        task: str | None = None,
        last_run_at: datetime | None = None,
        total_run_count: int | None = None,
        schedule: Any = None,
        args: Any = (),
        kwargs: Any = None,
        options: Any = None,
        relative: bool = False,
        app: Any = None,
    ) -> None:
        self.app = app
        self.name = name
        self.task = task
        self.args = args
        self.kwargs = kwargs or {}
        self.options = options or {}
        self.schedule = maybe_schedule(schedule, relative, app=app)
        self.last_run_at = last_run_at or self.default_now()
        self.total_run_count = total_run_count or 0

    def default_now(self) -> datetime:
        """The time, by the schedule's own clock or the app's."""
        asked = getattr(self.schedule, "nowfun", None) is not None
        source = self.schedule if asked else self.app
        found: datetime = datetime.fromtimestamp(SYSTEM.now(), UTC) if source is None else source.now()
        return found

    _default_now = default_now

    def _next_instance(self, last_run_at: datetime | None = None) -> "ScheduleEntry":
        told = dict(self)
        return type(self)(
            **{**told, "last_run_at": last_run_at or self._default_now(), "total_run_count": self.total_run_count + 1}
        )

    __next__ = next = _next_instance

    def update(self, other: "ScheduleEntry") -> None:
        """Take over what another one says: what to call and when, and not when it was called."""
        for name in ("task", "schedule", "args", "kwargs", "options"):
            setattr(self, name, getattr(other, name))

    def is_due(self) -> schedstate:
        """Whether it is due, and in how many seconds to ask again."""
        found: schedstate = self.schedule.is_due(self.last_run_at)
        return found

    def editable_fields_equal(self, other: "ScheduleEntry") -> bool:
        """Whether both say the same."""
        names = ("task", "args", "kwargs", "options", "schedule")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(vars(self).items())

    def __lt__(self, other: object) -> bool:
        return id(self) < id(other) if isinstance(other, ScheduleEntry) else NotImplemented

    def __eq__(self, other: object) -> bool:
        return self.editable_fields_equal(other) if isinstance(other, ScheduleEntry) else NotImplemented

    __hash__ = object.__hash__

    def __reduce__(self) -> Any:
        names = ("name", "task", "last_run_at", "total_run_count", "schedule", "args", "kwargs", "options")
        return type(self), tuple(getattr(self, name) for name in names)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name} {self.task}(*{self.args!r}, **{self.kwargs!r}) {self.schedule}>"


def evaluated(value: Any) -> Any:
    """An argument; of a ``BeatLazyFunc``, its value now."""
    return value() if isinstance(value, BeatLazyFunc) else value


__all__ = ["BeatLazyFunc", "ScheduleEntry", "SchedulingError"]
