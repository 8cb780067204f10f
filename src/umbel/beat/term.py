"""One term of a leader: reads the timetable, publishes what is due, follows changes; ends when leadership is lost."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from umbel.app.application import Umbel
from umbel.app.entries import bound
from umbel.app.schedules import over
from umbel.app.timetables import Timetables
from umbel.beat.agenda import Agenda
from umbel.beat.leadership import Leadership
from umbel.beat.publisher import Publisher
from umbel.core.delivery import Refused, Unknown
from umbel.core.errors import DecodeError, OperationalError, UmbelError
from umbel.core.schedule.catchup import DueTick
from umbel.core.schedule.entry import Entry, from_plain
from umbel.core.timetable import Changes, Fenced, Kept, Mark, Tick
from umbel.wire import json

logger = logging.getLogger("umbel.beat")

FOLLOW = 0.5
"""Seconds between two looks at what changed in the store."""
PAUSES = (0.25, 4.0)
"""Seconds between two attempts to publish, from the first to the longest."""
BREATH = 500
"""Entries that are taken in at a time."""
UNKNOWN_FOR = 30 * 86400.0
"""Seconds after which the mark of an entry that nobody names any more is forgotten: a deploy may be rolled back."""


class Term:
    """The time from winning an election to losing the leadership."""

    def __init__(
        self,
        app: Umbel,
        tables: Timetables,
        leading: Leadership,
        epoch: int,
        max_interval: float,
        inherited: Mapping[str, Mark],
    ) -> None:
        self._app = app
        self._clock = app.clock
        self._tables = tables
        self._leading = leading
        self._beat = beat = leading.beat
        self._epoch = epoch
        self._max_interval = max_interval
        self._inherited = inherited
        self._publisher = Publisher(app, tables.book, beat, epoch, tables.ticks)
        self._configured: Mapping[str, Entry] = {}
        self._version = 0
        self._news = asyncio.Event()
        self._publishing: set[asyncio.Task[None]] = set()
        self.agenda = Agenda(grace=2 * app.conf.beat_lease)

    async def run(self) -> None:
        """Lead until leadership is lost. Raises ``OperationalError`` if the timetable cannot be read to begin with."""
        parts: list[Coroutine[Any, Any, None]] = [self._leading.keep(), self._publisher.run()]
        running = [asyncio.ensure_future(part) for part in parts]
        try:
            await self._begin()
            running += [asyncio.ensure_future(part) for part in (self._follow(), self._tick())]
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*running, *self._publishing):
                task.cancel()
            await asyncio.gather(*running, *self._publishing, return_exceptions=True)

    # Reading ----------------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        tables, now = self._tables, self._clock.now()
        self._configured = self._app.schedules.configured()
        changes = await tables.entries.changes(tables.book, 0)
        marks = await tables.ticks.marks(tables.book)
        self._version = changes.version
        entries = {**self._configured, **(await self._readable(changes.kept))}
        await self._put(entries.values(), marks, now)
        gone = [name for name, mark in marks.items() if name not in entries and mark.last < now - UNKNOWN_FOR]
        if gone:
            await tables.ticks.forget(tables.book, self._beat, self._epoch, gone)
        self._warn_of_unregistered(entries)
        logger.info("Leading, with %d schedules", len(entries))

    async def _put(self, entries: Any, marks: Mapping[str, Mark], now: float) -> None:
        """Take entries in. What has no mark gets one: Celery's, or when it was made, or now."""
        new: list[Tick] = []
        for number, entry in enumerate(entries):
            if number % BREATH == 0:
                await asyncio.sleep(0)  # a hundred thousand take seconds, in which the lease is to be renewed
            mark = marks.get(entry.name)
            if mark is None:
                begun = Mark(now if entry.since is None else entry.since, 0)
                mark = self._inherited.get(entry.name, begun)
                new.append(Tick(entry.name, mark.last, mark.last, (), mark.runs))
            self.agenda.put(entry, mark, now)
        taken_over = sum(tick.name in self._inherited for tick in new)
        if taken_over:
            logger.warning("Taken over from Celery's beat: when %d schedules ran last", taken_over)
        for start in range(0, len(new), BREATH):
            some = new[start : start + BREATH]
            await self._tables.ticks.tick(self._tables.book, self._beat, self._epoch, some, deadline=30.0)
            await asyncio.sleep(0)

    async def _readable(self, kept: Sequence[Kept]) -> dict[str, Entry]:
        """Stored entries, and entries of the configuration as the store has them. What cannot be read is said."""
        entries: dict[str, Entry] = {}
        for number, one in enumerate(kept):
            if number % BREATH == 0:
                await asyncio.sleep(0)
            try:
                plain = json.loads(one.data)
                if not isinstance(plain, dict):
                    raise DecodeError(f"schedule {one.name!r} cannot be read from the store: it is no mapping")
                if one.name in self._configured:
                    entries[one.name] = over(self._configured[one.name], plain)
                elif "task" in plain:
                    entries[one.name] = bound(self._app, from_plain(one.name, plain))
            except UmbelError as error:
                logger.error("A schedule is left out: %s", error)
        return entries

    def _warn_of_unregistered(self, entries: Mapping[str, Entry]) -> None:
        for entry in entries.values():
            if entry.task not in self._app.tasks:
                logger.warning(
                    "Schedule %r calls %r, which is not registered here. It is sent all the same",
                    entry.name,
                    entry.task,
                )

    async def _follow(self) -> None:
        """Take in what changes in the store."""
        tables = self._tables
        while True:
            await self._clock.sleep(FOLLOW)
            try:
                changes = await tables.entries.changes(tables.book, self._version)
                if changes.version != self._version:
                    await self._take_in(changes)
                    self._version = changes.version
                    self._news.set()
            except OperationalError as error:
                logger.warning("%s", error)
                await self._clock.sleep(PAUSES[1])

    async def _take_in(self, changes: Changes) -> None:
        entries = await self._readable(changes.kept)
        gone = changes.dropped
        if changes.whole:
            gone = [name for name in self.agenda.entries if name not in entries and name not in self._configured]
        for name in gone:
            self.agenda.drop(name)
            logger.info("Schedule %r was deleted", name)
        entries |= {name: self._configured[name] for name in gone if name in self._configured}
        marks = await self._tables.ticks.marks(self._tables.book, list(entries))
        await self._put(entries.values(), marks, self._clock.now())
        for name in entries:
            logger.info("Schedule %r was changed", name)

    # Publishing -------------------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while self._leading.epoch == self._epoch:
            now = self._clock.now()
            for entry, found in self.agenda.take(now):
                task = asyncio.ensure_future(self._publish(entry, found.ticks))
                self._publishing.add(task)
                task.add_done_callback(self._publishing.discard)
            await self._rest(now)

    async def _rest(self, now: float) -> None:
        """Until something is due or has changed; not for long, because the clock may be set meanwhile."""
        self._news.clear()
        when = self.agenda.next_time()
        seconds = self._max_interval if when is None else min(max(0.0, when - now), self._max_interval)
        sleep, news = asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait({sleep, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            news.cancel()

    async def _publish(self, entry: Entry, due: Sequence[DueTick]) -> None:
        """Publish the ticks of one entry; while the broker is away, try again by what is due then."""
        mark: Mark | None = None
        try:
            mark = await self._published(entry, [await self._built(entry, one) for one in due])
        except OperationalError as error:
            logger.warning("Schedule %r waits for its broker: %s", entry.name, error)
            await self._clock.sleep(PAUSES[0])
        finally:
            self.agenda.done(entry.name, mark, self._clock.now())
            self._news.set()

    async def _built(self, entry: Entry, due: DueTick) -> Tick:
        try:
            return await self._publisher.build(entry, due)
        except Exception as error:  # noqa: BLE001  whatever user code raises
            logger.error("Schedule %r cannot be sent: %s: %s", entry.name, type(error).__name__, error)
            return Tick(entry.name, due.due, due.mark, (), 0)

    async def _published(self, entry: Entry, ticks: Sequence[Tick]) -> Mark | None:
        """The mark after publishing; None if it is to be looked at again. Raises ``OperationalError``."""
        pause = PAUSES[0]
        while True:
            if not self._leading.holds():
                return None
            receipts = await self._publisher.send(ticks)
            if any(isinstance(receipt, Fenced) for receipt in receipts):
                self._leading.epoch = None
                return None
            if not any(isinstance(receipt, Unknown) for receipt in receipts):
                break
            await self._clock.sleep(pause)
            pause = min(pause * 2, PAUSES[1])
        return await self._settled(entry, ticks, receipts)

    async def _settled(self, entry: Entry, ticks: Sequence[Tick], receipts: Sequence[Any]) -> Mark | None:
        known = self.agenda.marks.get(entry.name, Mark(0, 0))
        runs = known.runs
        for tick, receipt in zip(ticks, receipts, strict=True):
            if isinstance(receipt, Refused):
                logger.error("Schedule %r cannot be sent: %s", entry.name, receipt.error)
                await self._publisher.send([Tick(tick.name, tick.due, tick.mark, (), 0)])
            elif tick.messages:
                runs += tick.runs
                logger.info("Sent %s (%s), due %.3f s ago", entry.name, entry.task, self._clock.now() - tick.due)
        return Mark(max(tick.mark for tick in ticks), runs)
