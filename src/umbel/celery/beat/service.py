"""Celery's ``Service``: a scheduler of Celery's shape, ticking on the thread that calls ``start``."""

import threading
from functools import cached_property
from typing import Any

from umbel.app import signals
from umbel.celery.beat.persistent import PersistentScheduler
from umbel.celery.beat.schedulers import logger
from umbel.celery.utils.imports import symbol_by_name


class Service:
    """Runs one scheduler until it is stopped."""

    scheduler_cls: Any = PersistentScheduler

    def __init__(
        self,
        app: Any,
        max_interval: float | None = None,
        schedule_filename: str | None = None,
        scheduler_cls: Any = None,
        **more: Any,
    ) -> None:
        self.app = app
        self.max_interval = max_interval or app.conf.beat_max_loop_interval
        self.schedule_filename = schedule_filename or app.conf.beat_schedule_filename
        self.scheduler_cls = scheduler_cls or self.scheduler_cls
        self._is_shutdown, self._is_stopped = threading.Event(), threading.Event()

    def start(self, embedded_process: bool = False) -> None:
        """Tick until ``stop`` is called."""
        signal = signals.beat_embedded_init if embedded_process else signals.beat_init
        signal.send(sender=self)
        try:
            while not self._is_shutdown.is_set():
                seconds = self.scheduler.tick()
                if seconds and seconds > 0:
                    logger.debug("beat: Waking up in %.2f s.", seconds)
                    self._is_shutdown.wait(seconds)
                if self.scheduler.should_sync():
                    self.scheduler._do_sync()  # noqa: SLF001  Celery's name, which subclasses override
        finally:
            self.sync()

    def sync(self) -> None:
        """Have the scheduler keep what it has, for the last time."""
        self.scheduler.close()
        self._is_stopped.set()

    def stop(self, wait: bool = False) -> None:
        """Have it end; with ``wait``, wait until it has."""
        self._is_shutdown.set()
        if wait:
            self._is_stopped.wait()

    def get_scheduler(self, lazy: bool = False, **more: Any) -> Any:
        """A new scheduler."""
        return symbol_by_name(self.scheduler_cls)(
            app=self.app, schedule_filename=self.schedule_filename, max_interval=self.max_interval, lazy=lazy
        )

    @cached_property
    def scheduler(self) -> Any:
        """The scheduler."""
        return self.get_scheduler()


__all__ = ["Service"]
