"""Results in a SQLite file, beside the broker's messages or in one of their own. SUCCESS is never overwritten."""

import asyncio
import sqlite3
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from umbel.core.errors import OperationalError
from umbel.core.record import Record
from umbel.drivers.options import Options
from umbel.drivers.sqlite import Database, Insert, Part, Write, parse_url, write
from umbel.result.base import Life
from umbel.result.shown import Row, Shown
from umbel.result.sqlite.catalogue import SqliteCatalogue
from umbel.result.sqlite.groups import SqliteGroups
from umbel.result.sqlite.joins import SqliteJoins
from umbel.result.sqlite.watching import PAUSE, PER_ID, LoopWatch
from umbel.result.trouble import reading, storing
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire.records import JSON, Codec

# A number of its own keeps new rows together: by task id, which is random, each would dirty another page.
_SCHEMA = """\
CREATE TABLE result (
    number INTEGER PRIMARY KEY,
    task_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    expires REAL,
    record BLOB NOT NULL
);
CREATE INDEX result_expires ON result (expires) WHERE expires IS NOT NULL
"""
PART = Part("result", 1, _SCHEMA)

_STORE = Insert(
    "INSERT INTO result (task_id, status, expires, record) VALUES",
    "(?, ?, ?, ?)",
    "ON CONFLICT (task_id) DO UPDATE "
    "SET status = excluded.status, expires = excluded.expires, record = excluded.record "
    "WHERE result.status <> 'SUCCESS'",
)
_READ = (
    "SELECT task_id, status, record FROM result "
    "WHERE task_id IN (SELECT value FROM json_each(?)) AND (expires IS NULL OR expires > ?)"
)
_FORGET = "DELETE FROM result WHERE task_id IN (SELECT value FROM json_each(?))"
_PRUNE = "DELETE FROM result WHERE number IN (SELECT number FROM result WHERE expires <= ? ORDER BY expires LIMIT ?)"

OPTIONS = frozenset({"synchronous"})


class SqliteStore:
    """See ``result.base.Store``. Options: ``synchronous``, as the broker's."""

    def __init__(
        self,
        url: str,
        *,
        expires: float | None,
        failure_expires: float | None = None,
        codec: Codec = JSON,
        clock: Clock = SYSTEM,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        path, given = parse_url(url)
        chosen = Options(url, {**given, **(options or {})}, OPTIONS)
        self.url = url
        self.expires = expires
        self.codec = codec
        self._life = Life(expires, failure_expires)
        synchronous = chosen.text("synchronous", "NORMAL")
        self.database = Database(path, PART, clock=clock, synchronous=synchronous)
        self.joins = SqliteJoins(path, clock, expires, synchronous)
        self.groups = SqliteGroups(path, clock, expires, synchronous, codec)
        self.catalogue = SqliteCatalogue(path, clock, expires, synchronous, self.compile)
        self.shown = Shown(codec)
        self._sync = SqliteSyncStore(self)
        self._watches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopWatch] = weakref.WeakKeyDictionary()

    @property
    def sync(self) -> "SqliteSyncStore":
        """As the port says."""
        return self._sync

    def compile(self, record: Record) -> Write:
        """As the port says. The record lives ``expires`` seconds from now."""
        if not self.database.ready:  # the broker that runs this may never have met the table
            with storing((record,)):
                self.database.prepare()
        expires = self._life.end(record, self.database.clock.now())
        return Write(_STORE, (record.task_id, record.status, expires, self.codec.encode(record)))

    async def write(self, records: Sequence[Record]) -> None:
        """As the port says: one transaction."""
        writes = [self.compile(record) for record in records]
        with storing(records):
            await self.database.arun(lambda link: write(link, writes))

    async def read(self, ids: Sequence[str], timeout: float | None = None, *, sure: bool = False) -> dict[str, Record]:
        """As the port says: nobody who writes keeps a reader waiting."""
        with reading(ids):
            rows = await self.database.alook(lambda link: rows_of(link, ids, self.database.clock.now()))
        return self.shown.show(rows)

    async def wait(self, ids: Sequence[str], timeout: float) -> None:
        """As the port says."""
        loop = asyncio.get_running_loop()
        watch = self._watches.get(loop)
        if watch is None:
            watch = self._watches[loop] = LoopWatch(self.database, self._rows_now, self.shown.is_new)
        with reading(ids):
            await watch.wait(ids, timeout)

    def _rows_now(self, link: sqlite3.Connection, ids: Sequence[str]) -> list[Row]:
        return rows_of(link, ids, self.database.clock.now())

    async def forget(self, ids: Sequence[str]) -> None:
        """As the port says."""
        with storing(()):
            await self.database.arun(lambda link: link.execute(_FORGET, (_array(ids),)))

    async def prune(self, limit: int = 1000) -> int:
        """As the port says."""
        now = self.database.clock.now()
        with storing(()):
            count = await self.database.arun(lambda link: link.execute(_PRUNE, (now, limit)).rowcount)
            count += await self.joins.prune(limit - count)
            count += await self.groups.prune(limit - count)
            return count + await self.catalogue.prune(limit - count)

    async def close(self) -> None:
        """Close idle connections."""
        self.database.close()
        self.joins.close()
        self.groups.close()
        self.catalogue.close()


class SqliteSyncStore:
    """See ``result.base.SyncStore``."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._database = store.database

    def write(self, records: Sequence[Record]) -> None:
        """As the port says: one transaction."""
        writes = [self._store.compile(record) for record in records]
        with storing(records):
            self._database.run(lambda link: write(link, writes))

    def read(self, ids: Sequence[str], timeout: float | None = None, *, sure: bool = False) -> dict[str, Record]:
        """As the port says: nobody who writes keeps a reader waiting."""
        with reading(ids):
            rows = self._database.look(lambda link: rows_of(link, ids, self._database.clock.now()))
        return self._store.shown.show(rows)

    def wait(self, ids: Sequence[str], timeout: float) -> None:
        """As the port says."""
        clock = self._database.clock
        end = clock.monotonic() + timeout
        with reading(ids), Watch(self._store, ids) as watch:
            while not watch.changed() and (left := end - clock.monotonic()) > 0:
                clock.pause(min(next(watch.pauses), left))

    def forget(self, ids: Sequence[str]) -> None:
        """As the port says."""
        with storing(()):
            self._database.run(lambda link: link.execute(_FORGET, (_array(ids),)))

    def close(self) -> None:
        """Close idle connections."""
        self._database.close()
        self._store.joins.close()
        self._store.groups.close()
        self._store.catalogue.close()


# Waiting --------------------------------------------------------------------------------------------------------------


def rows_of(link: sqlite3.Connection, ids: Sequence[str], now: float) -> list[Row]:
    """Task id, status and record of those that are there."""
    return link.execute(_READ, (_array(ids), now)).fetchall()


class Watch:
    """One wait of a thread: watches the file by a connection of its own, which alone tells what all others changed."""

    def __init__(self, store: SqliteStore, ids: Sequence[str]) -> None:
        self._store = store
        self._ids = ids
        self._version: tuple[int, int] | None = None
        self._link = store.database.link()
        self.pauses = self._pauses()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def changed(self) -> bool:
        """Whether one of the tasks has something new."""
        try:
            version = self._link.version()
            if version == self._version:
                return False
            rows = self._link.look(lambda link: rows_of(link, self._ids, self._store.database.clock.now()))
        except (sqlite3.Error, OperationalError):
            return True  # the read that follows says what is wrong
        self._version = version
        return any(self._store.shown.is_new(row) for row in rows)

    def _pauses(self) -> Iterator[float]:
        least, most = (max(bound, len(self._ids) * PER_ID) for bound in PAUSE)
        while True:
            yield least
            least = min(least * 1.2, most)


def _array(ids: Sequence[str]) -> str:
    return msgspec.json.encode(list(ids)).decode()
