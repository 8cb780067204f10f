"""Opens one file, keeps its connections, runs transactions. Knows nobody's tables.

Connections come from a pool, so threads need none of their own; at any moment one thread of a process is inside
SQLite (writers take turns anyway). Nobody waits for the write lock of another process inside SQLite: the blocking form
pauses, the async form suspends its coroutine, so that an event loop stays free meanwhile.

No connection crosses a fork: all are closed before it and opened again when needed, on either side. A child would
inherit SQLite's belief to hold locks that only its parent holds, and mutexes that a thread which it does not have may
have locked.
"""

import atexit
import os
import random
import sqlite3
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, TypeVar

from umbel.core.errors import ImproperlyConfigured, OperationalError
from umbel.drivers.sqlite.connection import Connection
from umbel.drivers.sqlite.trouble import (
    APPLICATION_ID,
    BadOperation,
    check_owner,
    explained,
    is_busy,
    is_full,
    warn_of_network,
)
from umbel.runtime import system
from umbel.runtime.clock import SYSTEM, Clock
from umbel.runtime.unpatched import RLock

T = TypeVar("T")

LOCK_TIMEOUT = 10.0
"""Seconds to wait for the write lock where the caller gives no deadline."""

_CHECKPOINT_PAGES = 2000  # 8 MB of log: copying it back holds up one commit in many, for some 10 ms
_CACHE_KIB = 16_000
_STATEMENTS = 256
_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")

_ERRORS = (sqlite3.Error, OverflowError, ValueError)
"""What ``sqlite3`` raises: the latter two for values that SQLite cannot hold."""


class Part(NamedTuple):
    """The tables of one owner inside a file: ``script`` creates them, ``version`` counts their changes."""

    name: str
    version: int
    script: str


def statements(package: str, name: str) -> dict[str, str]:
    """The SQL statements of a resource file, by name: each begins after a line ``-- name: NAME``."""
    found = {}
    for block in (files(package) / name).read_text("utf-8").split("-- name:")[1:]:
        title, _, text = block.partition("\n")
        found[title.strip()] = " ".join(line.split("--")[0].strip() for line in text.splitlines()).strip().rstrip(";")
    return found


class Database:
    """One file, opened when first used. ``path`` is absolute. What is wrong with it is an ``OperationalError``.

    ``ready`` says that it was opened before and has the tables of ``part``. The ``work`` of a transaction gets a
    connection for as long as it lasts, and keeps nothing of it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        part: Part,
        *,
        clock: Clock = SYSTEM,
        synchronous: str = "NORMAL",
        chance: random.Random | None = None,
    ) -> None:
        if synchronous.upper() not in _SYNCHRONOUS:
            known = ", ".join(_SYNCHRONOUS)
            raise ImproperlyConfigured(f"synchronous={synchronous!r} is none of SQLite's: {known}")
        self.path = Path(os.path.realpath(path))
        self.clock = clock
        self._part = part
        self._synchronous = synchronous.upper()
        self._chance = chance or random.Random()
        self._idle: deque[sqlite3.Connection] = deque()
        self.ready = False
        self._file: tuple[int, int] | None = None
        self._full = False
        _databases.add(self)

    def prepare(self) -> None:
        """Open the file and create the tables of this part, if that did not happen yet."""
        if not self.ready:
            self.look(lambda _: None)

    def link(self) -> "Link":
        """A connection for one owner alone."""
        return Link(self)

    def close(self) -> None:
        """Close what is idle. The database may be used again: it opens anew."""
        with _gate:
            while self._idle:
                self._idle.pop().close()

    def verify(self) -> None:
        """Raise ``OperationalError`` if the file is not the one that was opened: others would not see what is done."""
        if self._file is None or self._identity() == self._file:
            return
        with _gate:
            for other in [database for database in _databases if database.path == self.path]:
                other.forget()
        raise OperationalError(
            f"{self.path} was deleted or replaced while in use: what waited in it is gone, and a new file is used"
        )

    def forget(self) -> None:
        """Close everything, and take the file for one that was never seen. Called under the gate."""
        self._file, self.ready = None, False
        self.close()
        for link in list(_links):
            link.leave(self)

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    # Work -------------------------------------------------------------------------------------------------------------

    def run(self, work: Callable[[sqlite3.Connection], T], *, deadline: float = LOCK_TIMEOUT) -> T:
        """Run ``work`` in a transaction that writes, all or nothing. Blocks up to ``deadline`` seconds for the lock."""
        return self._retry(lambda: self._transact(work, None), deadline)

    async def arun(
        self, work: Callable[[sqlite3.Connection], T], *, deadline: float = LOCK_TIMEOUT, link: "Link | None" = None
    ) -> T:
        """As ``run``; other coroutines go on while it waits for the lock, none while ``work`` runs."""
        return await self._aretry(lambda: self._transact(work, link), deadline)

    def look(self, work: Callable[[sqlite3.Connection], T], *, deadline: float = LOCK_TIMEOUT) -> T:
        """Run one statement that only reads, or one that is a transaction of its own, and wait as ``run`` does."""
        return self._retry(lambda: self._use(work), deadline)

    async def alook(self, work: Callable[[sqlite3.Connection], T], *, deadline: float = LOCK_TIMEOUT) -> T:
        """As ``look``; other coroutines go on while it waits."""
        return await self._aretry(lambda: self._use(work), deadline)

    def attempt(self, connection: sqlite3.Connection, work: Callable[[], object]) -> BadOperation | None:
        """Within a transaction do all of ``work``, or nothing of it if it is a bad operation: then return the error."""
        connection.execute("SAVEPOINT attempt")
        try:
            work()
        except (*_ERRORS, BadOperation) as exc:
            error = exc if isinstance(exc, BadOperation) else explained(exc, self.path)
            if not isinstance(error, BadOperation):
                raise error from exc
            if error is not exc:
                error.__cause__ = exc
            connection.execute("ROLLBACK TO attempt")
            connection.execute("RELEASE attempt")
            return error
        connection.execute("RELEASE attempt")
        return None

    # One attempt, inside the gate -------------------------------------------------------------------------------------

    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with _gate:
            connection = self._take()
            try:
                return self._with_room(connection, work)
            finally:
                self._idle.append(connection)

    def _transact(self, work: Callable[[sqlite3.Connection], T], link: "Link | None") -> T:
        with _gate:
            connection = self._take() if link is None else link.connection()
            try:
                return self._with_room(connection, lambda used: _all_or_nothing(used, work))
            finally:
                if link is None:
                    self._idle.append(connection)

    def _with_room(self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._full:
            self._make_room(connection)
        try:
            return work(connection)
        except sqlite3.Error as exc:
            self._full = self._full or is_full(exc)
            raise

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """After a full disk, first move the log into the database: or the log takes all room, and nothing drains."""
        try:
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error:
            return  # still full
        self._full = bool(busy)

    # Attempt after attempt --------------------------------------------------------------------------------------------

    def _retry(self, attempt: Callable[[], T], deadline: float) -> T:
        try:
            return attempt()
        except _ERRORS as exc:
            self._raise_unless_busy(exc)
        end = self.clock.monotonic() + deadline
        for pause in self._pauses():
            self.clock.pause(pause)
            try:
                return attempt()
            except _ERRORS as exc:
                self._raise_unless_busy(exc, end)
        raise AssertionError("pauses never end")

    async def _aretry(self, attempt: Callable[[], T], deadline: float) -> T:
        try:
            return attempt()
        except _ERRORS as exc:
            self._raise_unless_busy(exc)
        end = self.clock.monotonic() + deadline
        for pause in self._pauses():
            await self.clock.sleep(pause)
            try:
                return attempt()
            except _ERRORS as exc:
                self._raise_unless_busy(exc, end)
        raise AssertionError("pauses never end")

    def _raise_unless_busy(self, exc: Exception, end: float | None = None) -> None:
        if not is_busy(exc) or (end is not None and self.clock.monotonic() >= end):
            raise explained(exc, self.path) from exc

    def _pauses(self) -> Iterator[float]:
        """Short, growing, and different for each who waits: 0.1 ms to 6 ms."""
        pause = 0.0002
        while True:
            yield pause * (0.5 + self._chance.random())
            pause = min(pause * 1.5, 0.004)

    # Opening ----------------------------------------------------------------------------------------------------------

    def _take(self) -> sqlite3.Connection:
        return self._idle.pop() if self._idle else self.connect()

    def connect(self) -> sqlite3.Connection:
        """A new connection. For this module: all others are handed one."""
        if not self.ready:
            warn_of_network(self.path)
        connection = Connection(
            self.path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
        )
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        self.ready = True
        self._file = self._identity()
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        execute = connection.execute
        check_owner(connection, self.path)
        if execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            execute("PRAGMA journal_mode = WAL")
        execute(f"PRAGMA synchronous = {self._synchronous}")
        execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        execute("PRAGMA temp_store = MEMORY")
        if not self._installed(connection):
            _all_or_nothing(connection, self._install)

    def _installed(self, connection: sqlite3.Connection) -> bool:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'part'").fetchone():
            return False
        found = connection.execute("SELECT version FROM part WHERE name = ?", (self._part.name,)).fetchone()
        if found and found[0] != self._part.version:
            raise OperationalError(
                f"{self.path} was written by another version of Umbel (its {self._part.name} tables have version "
                f"{found[0]}, this one reads {self._part.version}): upgrade Umbel here, or use another file"
            )
        return found is not None

    def _install(self, connection: sqlite3.Connection) -> None:
        if self._installed(connection):
            return  # somebody else was quicker
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("CREATE TABLE IF NOT EXISTS part (name TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        connection.execute("INSERT INTO part VALUES (?, ?)", self._part[:2])
        for statement in _split(self._part.script):
            connection.execute(statement)


class Link:
    """A connection for one owner alone: only so does SQLite tell what all the others changed. Opened when needed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = None
        self._openings = 0
        _links.add(self)

    def connection(self) -> sqlite3.Connection:
        """The connection. To be used inside the gate only."""
        if self._connection is None:
            self._connection = self._database.connect()
            self._openings += 1
        return self._connection

    def version(self) -> tuple[int, int]:
        """A value that is another one after any change by somebody else. Raises ``sqlite3.Error``."""
        with _gate:
            (version,) = self.connection().execute("PRAGMA data_version").fetchone()
            return self._openings, version

    def look(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read, without waiting for anybody. Raises ``sqlite3.Error``."""
        with _gate:
            return work(self.connection())

    def leave(self, database: Database) -> None:
        """Close it, if it is one to this database."""
        if self._database is database:
            self.close()

    def close(self) -> None:
        """Close it. It opens anew when needed."""
        with _gate:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()


def _split(script: str) -> Iterator[str]:
    """The statements of a script; a trigger is one. (``executescript`` would commit first.)"""
    text = ""
    for line in script.splitlines():
        text += line + "\n"
        if sqlite3.complete_statement(text):
            yield text
            text = ""


def _all_or_nothing(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends the transaction by itself
            _roll_back(connection)
        raise
    return result


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("ROLLBACK")
    except sqlite3.Error:
        pass  # what made us roll back is the error to report


# Fork and exit --------------------------------------------------------------------------------------------------------

_gate = RLock()
"""Held by the thread that is inside SQLite. A fork waits for it."""

_databases: "weakref.WeakSet[Database]" = weakref.WeakSet()
_links: "weakref.WeakSet[Link]" = weakref.WeakSet()


def _close_all() -> None:
    for database in list(_databases):
        database.close()
    for link in list(_links):
        link.close()


def _before_fork() -> None:
    _gate.acquire()
    _close_all()


system.at_fork(before=_before_fork, after_in_parent=_gate.release, after_in_child=_gate.release)
atexit.register(_close_all)
