"""Schedules and their ticks in one process, under the space's lock. The rules are those of ``core.timetable``."""

from collections.abc import Sequence

import msgspec

from umbel.broker.memory.state import Entry, State, entry_of
from umbel.core.delivery import ACCEPTED, Refused
from umbel.core.timetable import FENCED, SEEN, Changes, Kept, Lead, Mark, Tick, TickReceipt
from umbel.drivers.memory import Space
from umbel.runtime.clock import Clock

REMEMBERED = 1000
"""Deleted entries whose names are kept for those who ask what changed."""


class Book(msgspec.Struct):
    """The timetable of one application. ``dropped`` holds versions by name, the oldest first."""

    version: int = 0
    entries: dict[str, tuple[int, Kept]] = {}
    dropped: dict[str, int] = {}
    forgotten: int = 0
    marks: dict[str, Mark] = {}
    beat: str = ""
    epoch: int = 0
    ends: float = 0.0


class MemoryTimetable:
    """See ``broker.base.Timetable``."""

    def __init__(self, space: Space, state: State, clock: Clock) -> None:
        self._space = space
        self._state = state
        self._clock = clock
        self._books: dict[str, Book] = space.part("books", dict)

    def _book(self, name: str) -> Book:
        return self._books.setdefault(name, Book())

    async def put(self, book: str, entries: Sequence[Kept]) -> int:
        """As the port says."""
        with self._space.lock:
            found = self._book(book)
            found.version += 1
            for kept in entries:
                found.dropped.pop(kept.name, None)
                found.entries[kept.name] = (found.version, kept)
            return found.version

    async def drop(self, book: str, names: Sequence[str]) -> int:
        """As the port says."""
        with self._space.lock:
            found = self._book(book)
            there = [name for name in dict.fromkeys(names) if name in found.entries]
            if there:
                found.version += 1
            for name in there:
                del found.entries[name]
                found.marks.pop(name, None)
                found.dropped[name] = found.version
            while len(found.dropped) > REMEMBERED:
                found.forgotten = found.dropped.pop(next(iter(found.dropped)))
            return len(there)

    async def changes(self, book: str, since: int) -> Changes:
        """As the port says."""
        with self._space.lock:
            found = self._book(book)
            whole = since < found.forgotten or since > found.version
            if found.version == since:
                return Changes(since, [], [])
            kept = [kept for version, kept in found.entries.values() if whole or version > since]
            dropped = [] if whole else [name for name, version in found.dropped.items() if version > since]
            return Changes(found.version, kept, dropped, whole)

    async def marks(self, book: str, names: Sequence[str] | None = None) -> dict[str, Mark]:
        """As the port says."""
        with self._space.lock:
            marks = self._book(book).marks
            return dict(marks) if names is None else {name: marks[name] for name in names if name in marks}

    async def lead(self, book: str, beat: str, *, lease: float) -> Lead:
        """As the port says."""
        with self._space.lock:
            found, now = self._book(book), self._clock.monotonic()
            if found.beat != beat:
                if found.beat and found.ends > now:
                    return Lead(None, found.ends - now)
                found.beat, found.epoch = beat, found.epoch + 1
            found.ends = now + lease
            return Lead(found.epoch, lease)

    async def resign(self, book: str, beat: str) -> None:
        """As the port says."""
        with self._space.lock:
            if self._book(book).beat == beat:
                self._book(book).beat = ""

    async def tick(
        self, book: str, beat: str, epoch: int, ticks: Sequence[Tick], *, deadline: float
    ) -> list[TickReceipt]:
        """As the port says."""
        encoded = [_encoded(tick) for tick in ticks]
        with self._space.lock:
            found = self._book(book)
            if (found.beat, found.epoch) != (beat, epoch):
                return [FENCED] * len(ticks)
            receipts = [self._publish(found, tick, made) for tick, made in zip(ticks, encoded, strict=True)]
        self._space.changed()
        return receipts

    def _publish(self, book: Book, tick: Tick, made: list[Entry] | Exception) -> TickReceipt:
        mark = book.marks.get(tick.name)
        if mark is not None and tick.due <= mark.last:
            return SEEN
        if isinstance(made, Exception):
            return Refused(made)
        self._state.publish(made)
        book.marks[tick.name] = Mark(max(tick.due, tick.mark), (mark.runs if mark else 0) + tick.runs)
        return ACCEPTED

    async def forget(self, book: str, beat: str, epoch: int, names: Sequence[str]) -> None:
        """As the port says."""
        with self._space.lock:
            found = self._book(book)
            if (found.beat, found.epoch) == (beat, epoch):
                for name in names:
                    found.marks.pop(name, None)

    async def close(self) -> None:
        """Nothing is held."""


def _encoded(tick: Tick) -> list[Entry] | Exception:
    try:
        return [entry_of(outgoing) for outgoing in tick.messages]
    except Exception as exc:  # noqa: BLE001  whatever it is, it is this tick's alone
        return exc
