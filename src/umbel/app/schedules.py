"""``app.schedules``: what beat calls and when, to look at and to change while beats run. Plans no tick itself.

Entries come from two places: the application's own code and configuration (``entries``), and the store, where ``set``
puts them. Of the former, the store holds only whether they are paused.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from umbel.app import coroutine
from umbel.app.entries import Entries, bound, named
from umbel.app.nearest import advice
from umbel.app.results import AsyncResult
from umbel.app.timetables import Timetables, open_timetables
from umbel.core.errors import ImproperlyConfigured, ParseException
from umbel.core.schedule.base import aware
from umbel.core.schedule.catchup import at, following
from umbel.core.schedule.entry import Entry, LazyArgument, from_plain, read, since_in, to_plain
from umbel.core.timetable import Kept, Mark
from umbel.wire import json

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.core.schedule import Schedule, crontab

MOST_BACKFILLED = 10_000


class Scheduled:
    """One entry with what became of it so far. ``last`` is the due time of its last tick, None before the first."""

    def __init__(self, entry: Entry, mark: Mark | None, now: float) -> None:
        self.entry = entry
        self.runs = mark.runs if mark is not None else 0
        self.last: datetime | None = at(mark.last) if mark is not None and mark.runs else None
        self._mark = effective(entry, mark, now)

    @property
    def name(self) -> str:
        """The entry's name."""
        return self.entry.name

    @property
    def next(self) -> datetime | None:
        """When it is due next, in UTC; None for never, or while it is paused."""
        return next(self.ticks(), None)

    def ticks(self) -> Iterator[datetime]:
        """All its due times from the last on."""
        return iter(()) if self.entry.paused else following(self.entry, self._mark)

    def __repr__(self) -> str:
        state = " paused" if self.entry.paused else ""
        return f"<schedule {self.name!r}: {self.entry.task} {self.entry.schedule.human_readable}{state}>"


def effective(entry: Entry, mark: Mark | None, now: float) -> Mark:
    """From where an entry's ticks are counted: its mark, or when it was made or resumed, or now."""
    if mark is None:
        return Mark(now if entry.since is None else entry.since, 0)
    return mark if entry.since is None or entry.since <= mark.last else Mark(entry.since, mark.runs)


def _named_ticks(scheduled: Scheduled) -> Iterator[tuple[datetime, str]]:
    for due in scheduled.ticks():
        yield due, scheduled.name


class Schedules:
    """The timetable of one application. Each verb has a twin for coroutines, with an ``a`` in front.

    Raises ``OperationalError`` when the store cannot be reached, and ``KeyError`` for a name that nothing has.
    """

    def __init__(self, app: "Umbel") -> None:
        self._app = app
        self.configured = Entries(app)

    # Of the application's code ----------------------------------------------------------------------------------------

    def add(
        self, schedule: Any, sig: Any, args: Any = (), kwargs: Any = None, name: str | None = None, **options: Any
    ) -> str:
        """Have beat call a task (a task, a signature or a name) at ``schedule``, and return the entry's name.

        For code that runs when the application is loaded; Celery's ``add_periodic_task``. ``options`` are those of
        ``apply_async``, and the keys of an entry (``catch_up``, ``jitter``, …).
        """
        return self.configured.add(schedule, sig, args, kwargs, name, options)

    def declare(self, task: str, *, every: "float | timedelta | None", cron: "str | crontab | None") -> None:
        """What ``@app.task(every=30)`` and ``@app.task(cron="0 8 * * *")`` say."""
        if every is not None and cron is not None:
            raise ImproperlyConfigured(f"task {task}: every= and cron= exclude each other")
        when: Any = every if every is not None else cron
        if every is not None and isinstance(every, str):
            raise ParseException(
                f"task {task}: every={every!r} is a number of seconds; for a line of cron there is cron="
            )
        self.add(when, task, name=task)

    # Looking ----------------------------------------------------------------------------------------------------------

    async def alist(self) -> list[Scheduled]:
        """All entries, by name."""
        async with self._open() as tables:
            entries = await self._entries(tables)
            marks = await tables.ticks.marks(tables.book)
        now = self._app.clock.now()
        return [Scheduled(entries[name], marks.get(name), now) for name in sorted(entries)]

    def __iter__(self) -> Iterator[Scheduled]:
        """All entries, by name."""
        return iter(coroutine.run(self.alist()))

    def __contains__(self, name: object) -> bool:
        """Whether there is an entry of that name."""
        return any(known.name == name for known in self)

    async def aget(self, name: str) -> Scheduled:
        """One entry."""
        async with self._open() as tables:
            entry = await self._entry(tables, name)
            marks = await tables.ticks.marks(tables.book, [name])
        return Scheduled(entry, marks.get(name), self._app.clock.now())

    def get(self, name: str) -> Scheduled:
        """One entry."""
        return coroutine.run(self.aget(name))

    async def anext(self, count: int = 10, name: str | None = None) -> list[tuple[datetime, str]]:
        """The next ``count`` ticks of all entries, or of one, with the entry's name; the first comes first."""
        known = await self.alist() if name is None else [await self.aget(name)]
        return list(islice(merge(*map(_named_ticks, known)), count))

    def next(self, count: int = 10, name: str | None = None) -> list[tuple[datetime, str]]:
        """The next ``count`` ticks of all entries, or of one, with the entry's name; the first comes first."""
        return coroutine.run(self.anext(count, name))

    # Changing ---------------------------------------------------------------------------------------------------------

    async def aset(
        self,
        name: str,
        task: Any,
        schedule: "Schedule | str | float | timedelta | datetime",
        args: Any = (),
        kwargs: Mapping[str, Any] | None = None,
        **keys: Any,
    ) -> Scheduled:
        """Make an entry, or change the one of this name; running beats follow within a second.

        ``keys`` are those of an entry: ``options``, ``catch_up``, ``max_age``, ``jitter``, ``start``, ``end``,
        ``max_runs``, ``timezone``, ``relative``, ``enabled``. What is set again unchanged goes on as before; a change
        counts from now. Raises ``ParseException``, ``EncodeError``, and ``ImproperlyConfigured`` for the name of an
        entry that stands in the configuration.
        """
        given = named({"task": task, "schedule": schedule, "args": args, "kwargs": kwargs or {}, **keys})
        entry = bound(self._app, read(name, given, deadline=self._app.conf.beat_cron_starting_deadline))
        self._refuse_configured(name, "changed")
        self._refuse_lazy(entry)
        now = self._app.clock.now()
        async with self._open() as tables:
            marks = await tables.ticks.marks(tables.book, [name])
            known = (await self._stored(tables)).get(name)
            since = known.since if known is not None else None
            if known is None or replace(known, stored=False, since=None) != entry:
                since = now
                if next(following(entry, Mark(now, 0)), None) is None:
                    raise ParseException(f"schedule {name!r} is never due: {entry.schedule.human_readable}")
                await self._put(tables, replace(entry, since=since))
        return Scheduled(replace(entry, since=since, stored=True), marks.get(name), now)

    def set(
        self,
        name: str,
        task: Any,
        schedule: "Schedule | str | float | timedelta | datetime",
        args: Any = (),
        kwargs: Mapping[str, Any] | None = None,
        **keys: Any,
    ) -> Scheduled:
        """Make an entry, or change the one of this name; running beats follow within a second. See ``aset``."""
        return coroutine.run(self.aset(name, task, schedule, args, kwargs, **keys))

    async def adelete(self, name: str) -> None:
        """Delete an entry that was set at run time."""
        self._refuse_configured(name, "deleted")
        async with self._open() as tables:
            await self._entry(tables, name)
            await tables.entries.drop(tables.book, [name])

    def delete(self, name: str) -> None:
        """Delete an entry that was set at run time."""
        coroutine.run(self.adelete(name))

    async def apause(self, name: str) -> None:
        """Let an entry rest; any entry, also one of the configuration."""
        await self._pause(name, paused=True)

    def pause(self, name: str) -> None:
        """Let an entry rest; any entry, also one of the configuration."""
        coroutine.run(self.apause(name))

    async def aresume(self, name: str) -> None:
        """End its rest. What came due meanwhile is not caught up."""
        await self._pause(name, paused=False)

    def resume(self, name: str) -> None:
        """End its rest. What came due meanwhile is not caught up."""
        coroutine.run(self.aresume(name))

    # Calling ----------------------------------------------------------------------------------------------------------

    async def atrigger(self, name: str) -> AsyncResult[Any]:
        """Call an entry's task now, beside its schedule."""
        entry = (await self.aget(name)).entry
        return await self._call(entry, self._app.clock.now())

    def trigger(self, name: str) -> AsyncResult[Any]:
        """Call an entry's task now, beside its schedule."""
        return coroutine.run(self.atrigger(name))

    async def abackfill(self, name: str, start: datetime, end: datetime) -> list[AsyncResult[Any]]:
        """Call an entry's task once for each time from ``start`` up to ``end`` (not with it) that it is due.

        Each call carries its due time in the header ``periodic_task_due``. Raises ``ValueError`` for more than 10,000.
        """
        entry = (await self.aget(name)).entry
        whole = replace(entry, start=aware(start), end=None, max_runs=None, paused=False)
        ticks = takewhile(lambda due: due < aware(end), following(whole, Mark(aware(start).timestamp() - 1e-6, 0)))
        due = list(islice(ticks, MOST_BACKFILLED + 1))
        if len(due) > MOST_BACKFILLED:
            raise ValueError(
                f"more than {MOST_BACKFILLED:,} ticks of {name!r} lie between {start} and {end}: take less"
            )
        async with self._app.bulk():
            return [await self._call(entry, moment.timestamp()) for moment in due]

    def backfill(self, name: str, start: datetime, end: datetime) -> list[AsyncResult[Any]]:
        """Call an entry's task once for each time from ``start`` up to ``end`` that it is due. See ``abackfill``."""
        return coroutine.run(self.abackfill(name, start, end))

    async def _call(self, entry: Entry, due: float) -> AsyncResult[Any]:
        args, kwargs, options = call_of(entry, due)
        task: Any = self._app.tasks.get(entry.task, entry.task)
        return self._app.handle(await self._app.client.acall(task, args, kwargs, options), options)

    # Inside -----------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Timetables]:
        tables = open_timetables(self._app)
        try:
            yield tables
        finally:
            await tables.close()

    async def _stored(self, tables: Timetables) -> dict[str, Entry]:
        changes = await tables.entries.changes(tables.book, 0)
        return merged(self._app, {}, {kept.name: json.loads(kept.data) for kept in changes.kept})

    async def _entries(self, tables: Timetables) -> dict[str, Entry]:
        changes = await tables.entries.changes(tables.book, 0)
        return merged(self._app, self.configured(), {kept.name: json.loads(kept.data) for kept in changes.kept})

    async def _entry(self, tables: Timetables, name: str) -> Entry:
        entries = await self._entries(tables)
        if name not in entries:
            raise KeyError(f"no schedule named {name!r}{advice(name, entries)}")
        return entries[name]

    async def _put(self, tables: Timetables, entry: Entry) -> None:
        await tables.entries.put(tables.book, [Kept(entry.name, json.dumps(to_plain(entry)))])

    async def _pause(self, name: str, *, paused: bool) -> None:
        now = self._app.clock.now()
        async with self._open() as tables:
            entry = await self._entry(tables, name)
            if entry.paused == paused:
                return
            since = entry.since if paused else now
            if entry.stored:
                await self._put(tables, replace(entry, paused=paused, since=since))
            else:
                await tables.entries.put(tables.book, [Kept(name, json.dumps({"paused": paused, "since": since}))])

    def _refuse_configured(self, name: str, what: str) -> None:
        if name in self.configured():
            raise ImproperlyConfigured(f"schedule {name!r} stands in the application's code: it is {what} there")

    def _refuse_lazy(self, entry: Entry) -> None:
        if any(callable(value) for value in (*entry.args, *entry.kwargs.values())):
            raise ImproperlyConfigured(
                f"schedule {entry.name!r}: functions as arguments are for the application's code only"
            )


def merged(app: "Umbel", configured: Mapping[str, Entry], stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Entry]:
    """All entries: those of the configuration, paused as the store says, and those of the store."""
    entries = dict(configured)
    for name, plain in stored.items():
        if name in configured:
            entries[name] = over(configured[name], plain)
        elif "task" in plain:
            entries[name] = bound(app, from_plain(name, plain))
    return entries


def over(entry: Entry, plain: Mapping[str, Any]) -> Entry:
    """An entry of the configuration as it stands now. Raises ``ParseException``."""
    return replace(entry, paused=bool(plain.get("paused")), since=since_in(entry.name, plain))


def call_of(entry: Entry, due: float) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    """Arguments and options of the call that is due then; what is lazy is computed now."""
    args = tuple(value() if isinstance(value, LazyArgument) else value for value in entry.args)
    kwargs = {key: value() if isinstance(value, LazyArgument) else value for key, value in entry.kwargs.items()}
    told = {"celery_beat_task": True, "periodic_task_name": entry.name, "periodic_task_due": at(due).isoformat()}
    return args, kwargs, {**entry.options, "headers": {**told, **(entry.options.get("headers") or {})}}
