"""Which scheduler runs: Umbel's own, or a class that is named. One in Celery's shape is driven as Celery drives it."""

import asyncio
import logging
from importlib.metadata import entry_points
from typing import Any, Protocol

from umbel.app import source
from umbel.app.application import Umbel
from umbel.app.signals import Signal
from umbel.beat.options import BeatOptions
from umbel.beat.scheduler import Scheduler
from umbel.core.errors import ImproperlyConfigured
from umbel.runtime.aside import Errands

logger = logging.getLogger("umbel.beat")

OWN = frozenset(
    {"umbel.beat:Scheduler", "umbel.beat.Scheduler"}
    | {f"celery.beat{dot}{name}" for dot in ":." for name in ("PersistentScheduler", "Scheduler")}
)
"""Names of Umbel's own scheduler: it takes the place of Celery's."""
GROUP = "celery.beat_schedulers"
"""Entry points that give a scheduler a short name."""


class Runner(Protocol):
    """What a beat runs."""

    def begins(self, signal: Signal) -> None:
        """Send ``signal``, with it as the sender: it is about to run."""

    async def run(self) -> None:
        """Publish until told to stop."""

    def stop(self) -> None:
        """Stop soon. From any thread, and more than once."""


def choose(app: Umbel, options: BeatOptions) -> Runner:
    """The scheduler of ``options`` or the settings. Raises ``ImproperlyConfigured`` for a name that leads nowhere."""
    name = options.scheduler or app.conf.beat_scheduler
    if name in OWN:
        return Scheduler(app, options)
    found = _named(name)
    if isinstance(found, type) and issubclass(found, Scheduler):
        return found(app, options)
    if callable(getattr(found, "tick", None)):
        return Ticking(app, found, options)
    raise ImproperlyConfigured(
        f"{name} is no scheduler: it is a subclass of umbel.beat.Scheduler, or has a method tick() as Celery's have"
    )


def _named(name: str) -> Any:
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    try:
        return source.load(name)
    except ImportError as error:
        known = ", ".join(sorted(point.name for point in entry_points(group=GROUP)))
        short = f", or one of {known}" if known else ""
        raise ImproperlyConfigured(
            f"no scheduler {name!r} ({error}): give a dotted name such as 'proj.beat:MyScheduler'{short}"
        ) from error


class Ticking:
    """A scheduler in Celery's shape: ``tick()`` publishes what is due and returns seconds. It runs on a thread.

    It is made as Celery makes it, with ``app``, ``max_interval`` and ``schedule_filename``, and keeps its own promises:
    nothing here elects a leader for it. The thread is always the same one: connections to databases belong to theirs.
    """

    def __init__(self, app: Umbel, kind: Any, options: BeatOptions) -> None:
        longest = options.max_interval or app.conf.beat_max_loop_interval or None
        self._errands = Errands("umbel-scheduler")
        told = {"max_interval": longest, "schedule_filename": app.conf.beat_schedule_filename}
        self.scheduler = self._errands.call(lambda: kind(app=app, **told))
        self._clock = app.clock
        self._stop = asyncio.Event()
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def begins(self, signal: Signal) -> None:
        """Send ``signal`` on the thread that ticks: locks that a receiver takes for it belong to their thread, too."""
        self._errands.call(lambda: signal.send(sender=self))

    async def run(self) -> None:
        """Tick until told to stop."""
        self._loop = asyncio.get_running_loop()
        try:
            while not self._stopped:
                seconds = await self._errands.do(self.scheduler.tick)
                await self._rest(seconds or 0.0)
                await self._errands.do(self._sync)
        finally:
            if hasattr(self.scheduler, "close"):
                await self._errands.do(self.scheduler.close)

    def _sync(self) -> None:
        scheduler = self.scheduler
        if getattr(scheduler, "should_sync", lambda: False)():
            getattr(scheduler, "_do_sync", scheduler.sync)()

    def stop(self) -> None:
        """Stop soon."""
        self._stopped = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _rest(self, seconds: float) -> None:
        sleep, stop = asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({sleep, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            stop.cancel()
