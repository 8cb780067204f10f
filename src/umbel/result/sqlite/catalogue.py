"""Which workflows there are, in a SQLite file (``result.base.Catalogue``)."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from umbel.core.record import Record
from umbel.drivers.sqlite import Database, Part, Write, write
from umbel.result.trouble import reading, storing
from umbel.runtime.clock import Clock

_SCHEMA = """\
CREATE TABLE workflow (key TEXT PRIMARY KEY, at REAL NOT NULL, expires REAL) WITHOUT ROWID;
CREATE INDEX workflow_at ON workflow (at);
CREATE INDEX workflow_expires ON workflow (expires) WHERE expires IS NOT NULL
"""
TABLES = Part("workflow", 1, _SCHEMA)

_NOTE = "INSERT OR REPLACE INTO workflow (key, at, expires) VALUES (?, ?, ?)"
_NEWEST = "SELECT key FROM workflow WHERE expires IS NULL OR expires > ? ORDER BY at DESC, key DESC LIMIT ?"
_PRUNE = "DELETE FROM workflow WHERE key IN (SELECT key FROM workflow WHERE expires <= ? ORDER BY expires LIMIT ?)"


class SqliteCatalogue:
    """See ``result.base.Catalogue``. ``compile`` makes the writes of records."""

    def __init__(
        self,
        path: str | Path,
        clock: Clock,
        expires: float | None,
        synchronous: str,
        compile: Callable[[Record], Write],
    ) -> None:
        self._database = Database(path, TABLES, clock=clock, synchronous=synchronous)
        self._clock = clock
        self._expires = expires
        self._compile = compile

    def note_sync(self, key: str, records: Sequence[Record]) -> None:
        """As the port says: one transaction."""
        step = self._noting(key, records)
        with storing(records):
            self._database.run(step)

    async def note(self, key: str, records: Sequence[Record]) -> None:
        """As the port says: one transaction."""
        step = self._noting(key, records)
        with storing(records):
            await self._database.arun(step)

    async def newest(self, limit: int) -> list[str]:
        """As the port says."""
        now = self._clock.now()
        with reading(()):
            rows = await self._database.alook(lambda link: link.execute(_NEWEST, (now, limit)).fetchall())
        return [key for (key,) in rows]

    async def prune(self, limit: int) -> int:
        """Delete what has expired, and say how many."""
        now = self._clock.now()
        return await self._database.arun(lambda link: link.execute(_PRUNE, (now, max(0, limit))).rowcount)

    def close(self) -> None:
        """Close idle connections."""
        self._database.close()

    def _noting(self, key: str, records: Sequence[Record]) -> Callable[[sqlite3.Connection], None]:
        now = self._clock.now()
        row = key, now, None if self._expires is None else now + self._expires
        writes = [self._compile(record) for record in records]

        def step(link: sqlite3.Connection) -> None:
            write(link, writes)
            link.execute(_NOTE, row)

        return step
