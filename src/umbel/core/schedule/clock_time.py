"""``clocked``: once, at one time. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from umbel.core.errors import ParseException
from umbel.core.schedule.base import App, Schedule, aware, schedstate


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
