"""Schedules and their ticks in the file: own tables, and a transaction that marks and publishes. Decides nothing."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from importlib.resources import files

from umbel.broker.sqlite.tables import PUBLISH, Row, array_of_text, row_of
from umbel.core.delivery import ACCEPTED, Refused
from umbel.core.errors import UmbelError
from umbel.core.timetable import FENCED, SEEN, Changes, Kept, Lead, Mark, Tick, TickReceipt
from umbel.drivers.sqlite import Database, Insert, Part, insert

PART = Part("timetable", 1, (files(__package__) / "timetable.sql").read_text("utf-8"))

REMEMBERED = 1000
"""Deleted entries whose names are kept for those who ask what changed."""

_BOOK = "INSERT INTO book (name) VALUES (?) ON CONFLICT DO NOTHING"
_NEXT_VERSION = "UPDATE book SET version = version + 1 WHERE name = ? RETURNING version"
_PUT = Insert(
    "INSERT INTO entry (book, name, version, data) VALUES",
    "(?, ?, ?, ?)",
    "ON CONFLICT (book, name) DO UPDATE SET version = excluded.version, data = excluded.data",
)
_THERE = "SELECT name FROM entry WHERE book = ? AND name IN (SELECT value FROM json_each(?)) AND data IS NOT NULL"
_DROP = "UPDATE entry SET data = NULL, version = ? WHERE book = ? AND name IN (SELECT value FROM json_each(?))"
_OLD = (
    "SELECT name, version FROM entry WHERE book = ? AND data IS NULL ORDER BY version "
    "LIMIT max(0, (SELECT count(*) FROM entry WHERE book = ? AND data IS NULL) - ?)"
)
_FORGET = "DELETE FROM mark WHERE book = ? AND name IN (SELECT value FROM json_each(?))"
_LEADER = "SELECT beat, epoch, ends, lease FROM book WHERE name = ?"
_LEAD = "UPDATE book SET beat = ?, epoch = ?, ends = ?, lease = ? WHERE name = ?"
_MARK = (
    "INSERT INTO mark (book, name, last, runs) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (book, name) DO UPDATE SET last = excluded.last, runs = runs + excluded.runs"
)


class SqliteTimetable:
    """See ``broker.base.Timetable``. ``queues`` is the broker's own database of the same file."""

    def __init__(self, database: Database, queues: Database) -> None:
        self._database = database
        self._queues = queues

    async def put(self, book: str, entries: Sequence[Kept]) -> int:
        """As the port says."""

        def work(link: sqlite3.Connection) -> int:
            version = _next_version(link, book)
            insert(link, _PUT, [(book, kept.name, version, kept.data) for kept in entries])
            return version

        return await self._database.arun(work)

    async def drop(self, book: str, names: Sequence[str]) -> int:
        """As the port says."""
        return await self._database.arun(lambda link: _drop(link, book, names))

    async def changes(self, book: str, since: int) -> Changes:
        """As the port says. Nothing is locked, and an unchanged book costs one row."""
        version, forgotten = await self._database.alook(partial(_version, book=book))
        if version == since:
            return Changes(since, [], [])
        whole = since < forgotten or since > version
        after = 0 if whole else since
        rows = await self._database.alook(
            lambda link: link.execute(
                "SELECT name, version, data FROM entry WHERE book = ? AND version > ? ORDER BY version", (book, after)
            ).fetchall()
        )
        kept = [Kept(name, data) for name, _, data in rows if data is not None]
        dropped = [] if whole else [name for name, _, data in rows if data is None]
        return Changes(max([version, *(row[1] for row in rows)]), kept, dropped, whole)

    async def marks(self, book: str, names: Sequence[str] | None = None) -> dict[str, Mark]:
        """As the port says."""
        some = "" if names is None else " AND name IN (SELECT value FROM json_each(?))"
        given = (book,) if names is None else (book, array_of_text(names))
        rows = await self._database.alook(
            lambda link: link.execute(f"SELECT name, last, runs FROM mark WHERE book = ?{some}", given).fetchall()
        )
        return {name: Mark(last, runs) for name, last, runs in rows}

    async def lead(self, book: str, beat: str, *, lease: float) -> Lead:
        """As the port says. Leases are counted by the machine's monotonic clock."""
        now = self._database.clock.monotonic()

        def work(link: sqlite3.Connection) -> Lead:
            link.execute(_BOOK, (book,))
            leader, epoch, ends, asked = link.execute(_LEADER, (book,)).fetchone()
            if leader != beat:
                if leader and now < ends <= now + asked:  # later than that: from before the machine started anew
                    return Lead(None, ends - now)
                epoch += 1
            link.execute(_LEAD, (beat, epoch, now + lease, lease, book))
            return Lead(epoch, lease)

        return await self._database.arun(work)

    async def resign(self, book: str, beat: str) -> None:
        """As the port says."""
        await self._database.arun(
            lambda link: link.execute("UPDATE book SET beat = '' WHERE name = ? AND beat = ?", (book, beat))
        )

    async def tick(
        self, book: str, beat: str, epoch: int, ticks: Sequence[Tick], *, deadline: float
    ) -> list[TickReceipt]:
        """As the port says: one transaction, in which each tick is done or not."""
        self._queues.prepare()
        encoded = [_encoded(tick) for tick in ticks]

        def work(link: sqlite3.Connection) -> list[TickReceipt]:
            if not _leads(link, book, beat, epoch):
                return [FENCED] * len(ticks)
            return [self._publish(link, book, tick, rows) for tick, rows in zip(ticks, encoded, strict=True)]

        return await self._database.arun(work, deadline=deadline)

    def _publish(self, link: sqlite3.Connection, book: str, tick: Tick, rows: list[Row] | Exception) -> TickReceipt:
        found = link.execute("SELECT last FROM mark WHERE book = ? AND name = ?", (book, tick.name)).fetchone()
        if found is not None and tick.due <= found[0]:
            return SEEN
        if isinstance(rows, Exception):
            return Refused(rows)

        def write() -> None:
            insert(link, PUBLISH, rows)
            link.execute(_MARK, (book, tick.name, max(tick.due, tick.mark), tick.runs))

        error = self._database.attempt(link, write)
        return ACCEPTED if error is None else Refused(error)

    async def forget(self, book: str, beat: str, epoch: int, names: Sequence[str]) -> None:
        """As the port says."""

        def work(link: sqlite3.Connection) -> None:
            if _leads(link, book, beat, epoch):
                link.execute(_FORGET, (book, array_of_text(names)))

        await self._database.arun(work)

    async def close(self) -> None:
        """Nothing is held: connections belong to the database."""


def _version(link: sqlite3.Connection, *, book: str) -> tuple[int, int]:
    found: tuple[int, int] | None = link.execute(
        "SELECT version, forgotten FROM book WHERE name = ?", (book,)
    ).fetchone()
    return found or (0, 0)


def _next_version(link: sqlite3.Connection, book: str) -> int:
    link.execute(_BOOK, (book,))
    version: int = link.execute(_NEXT_VERSION, (book,)).fetchone()[0]
    return version


def _leads(link: sqlite3.Connection, book: str, beat: str, epoch: int) -> bool:
    found = link.execute(_LEADER, (book,)).fetchone()
    return found is not None and tuple(found[:2]) == (beat, epoch)


def _drop(link: sqlite3.Connection, book: str, names: Sequence[str]) -> int:
    there = [name for (name,) in link.execute(_THERE, (book, array_of_text(names))).fetchall()]
    if not there:
        return 0
    version = _next_version(link, book)
    link.execute(_DROP, (version, book, array_of_text(there)))
    link.execute(_FORGET, (book, array_of_text(there)))
    old = link.execute(_OLD, (book, book, REMEMBERED)).fetchall()
    if old:
        link.execute("UPDATE book SET forgotten = ? WHERE name = ?", (old[-1][1], book))
        link.execute(
            "DELETE FROM entry WHERE book = ? AND name IN (SELECT value FROM json_each(?))",
            (book, array_of_text([name for name, _ in old])),
        )
    return len(there)


def _encoded(tick: Tick) -> list[Row] | Exception:
    try:
        return [row_of(outgoing) for outgoing in tick.messages]
    except (UmbelError, TypeError, ValueError) as exc:
        return exc
