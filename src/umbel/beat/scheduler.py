"""The scheduler: stands by until it leads, then publishes what is due and follows what changes. One event loop.

What it owns is a tree: the leadership, and while it leads a ``Term`` with its agenda and its publisher. Every term
begins with what the store says; nothing is carried over from one to the next.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping

from umbel.app.application import Umbel
from umbel.app.signals import Signal
from umbel.app.timetables import Timetables, open_timetables
from umbel.beat.files import prepare
from umbel.beat.leadership import Leadership
from umbel.beat.options import BeatOptions
from umbel.beat.term import PAUSES, Term
from umbel.core.errors import OperationalError
from umbel.core.timetable import Mark

logger = logging.getLogger("umbel.beat")

LAST_WORDS = 5.0
"""Seconds that a beat takes to take its leave of the broker."""


class Scheduler:
    """One beat. A subclass named by ``beat_scheduler`` may override ``opened``, to keep its timetable elsewhere."""

    def __init__(self, app: Umbel, options: BeatOptions | None = None) -> None:
        self.app = app
        self.options = options or BeatOptions()
        self.id = secrets.token_hex(16)
        self.leads = False
        """Whether it leads now."""
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False
        self._inherited: Mapping[str, Mark] = {}

    @property
    def max_interval(self) -> float:
        """The longest sleep in seconds: a clock that is set is noticed after that."""
        return self.options.max_interval or self.app.conf.beat_max_loop_interval or 1.0

    def opened(self) -> Timetables:
        """The timetables that it works on."""
        return open_timetables(self.app)

    def begins(self, signal: Signal) -> None:
        """Send ``signal``, with it as the sender: it is about to run."""
        signal.send(sender=self)

    async def run(self) -> None:
        """Publish what is due until told to stop."""
        self._loop = asyncio.get_running_loop()
        if self._stopped:
            return
        self.app.schedules.configured()  # what is wrong with it is for the user to mend, before anything is sent
        self._inherited = prepare(self.app)
        tables = self.opened()
        if tables.own is not None and tables.own.features.reach == "machine":
            await tables.entries.changes(tables.book, 0)  # likewise: waiting mends no file
        leading = Leadership(tables.ticks, tables.book, self.id, lease=self.app.conf.beat_lease, clock=self.app.clock)
        work = asyncio.ensure_future(self._terms(tables, leading))
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (work, stop):
                task.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)
            await self._leave(tables, leading)

    def stop(self) -> None:
        """Stop soon. From any thread, and more than once."""
        self._stopped = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._stop.set)

    async def _terms(self, tables: Timetables, leading: Leadership) -> None:
        pause = PAUSES[0]
        while True:
            epoch = await leading.win()
            self.leads = True
            term = Term(self.app, tables, leading, epoch, self.max_interval, self._inherited)
            try:
                await term.run()
                pause = PAUSES[0]
            except OperationalError as error:
                logger.warning("%s. Trying again in %.1f s", error, pause)
                await self.app.clock.sleep(pause)
                pause = min(pause * 2, PAUSES[1])
            finally:
                self.leads = False
                leading.epoch = None

    async def _leave(self, tables: Timetables, leading: Leadership) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS):
                await leading.resign()
                await tables.close()
        except (OperationalError, TimeoutError) as error:
            logger.warning("The beat could not take its leave of the broker: %s", error)
