"""Saved groups in a SQLite file (``result.base.Groups``)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from umbel.drivers.sqlite import Database, Part
from umbel.result.trouble import reading, storing
from umbel.runtime.clock import Clock
from umbel.wire.records import Codec

_SCHEMA = """\
CREATE TABLE saved_group (id TEXT PRIMARY KEY, expires REAL, shape BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX saved_group_expires ON saved_group (expires) WHERE expires IS NOT NULL
"""
TABLES = Part("saved_group", 1, _SCHEMA)

_SAVE = "INSERT OR REPLACE INTO saved_group (id, expires, shape) VALUES (?, ?, ?)"
_RESTORE = "SELECT shape FROM saved_group WHERE id = ? AND (expires IS NULL OR expires > ?)"
_DELETE = "DELETE FROM saved_group WHERE id = ?"
_PRUNE = "DELETE FROM saved_group WHERE id IN (SELECT id FROM saved_group WHERE expires <= ? ORDER BY expires LIMIT ?)"


class SqliteGroups:
    """See ``result.base.Groups``."""

    def __init__(self, path: str | Path, clock: Clock, expires: float | None, synchronous: str, codec: Codec) -> None:
        self._database = Database(path, TABLES, clock=clock, synchronous=synchronous)
        self._clock = clock
        self._expires = expires
        self._codec = codec

    def save(self, id: str, shape: Sequence[Any]) -> None:
        """As the port says."""
        ends = None if self._expires is None else self._clock.now() + self._expires
        values = id, ends, self._codec.encode_group(shape)
        with storing(()):
            self._database.run(lambda link: link.execute(_SAVE, values))

    def restore(self, id: str) -> Any:
        """As the port says."""
        now = self._clock.now()
        with reading(()):
            found = self._database.look(lambda link: link.execute(_RESTORE, (id, now)).fetchone())
        return None if found is None else self._codec.decode_group(found[0])

    def delete(self, id: str) -> None:
        """As the port says."""
        with storing(()):
            self._database.run(lambda link: link.execute(_DELETE, (id,)))

    async def prune(self, limit: int) -> int:
        """Delete expired groups, and say how many."""
        now = self._clock.now()
        return await self._database.arun(lambda link: link.execute(_PRUNE, (now, max(0, limit))).rowcount)

    def close(self) -> None:
        """Close idle connections."""
        self._database.close()
