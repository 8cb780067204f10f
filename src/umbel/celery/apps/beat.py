"""Celery's ``apps.beat``: a beat as an object."""

from typing import Any

from umbel.app.application import Umbel
from umbel.beat.options import BeatOptions
from umbel.beat.run import run
from umbel.celery.app.current import app_or_default

KNOWN = ("max_interval", "schedule")


class Beat:
    """A beat of an app. ``run`` is one until it is told to stop (SIGTERM, SIGINT)."""

    def __init__(
        self,
        max_interval: float | None = None,
        app: Umbel | None = None,
        schedule: str | None = None,
        scheduler: str | None = None,
        **unsaid: Any,
    ) -> None:
        told = [name for name, value in unsaid.items() if value is not None]
        if told:
            raise TypeError(f"Beat() has no option {min(told)!r}: what belongs to the process is umbel beat's")
        self.app = app_or_default(app)
        self.schedule = schedule
        self.options = BeatOptions(max_interval=max_interval, scheduler=scheduler)

    def run(self) -> int:
        """Be a beat; returns its exit status."""
        if self.schedule is not None:
            self.app.conf.beat_schedule_filename = self.schedule
        return run(self.app, self.options)


__all__ = ["Beat"]
