"""Opens one file, keeps its connections, runs transactions. Knows nobody's tables.

Connections come from a pool (one per call in progress), so threads need none of their own. A connection never crosses
a fork: the child forgets it without closing it, because closing would touch locks and files that its parent still uses.

Nobody waits for the write lock inside SQLite: the blocking form pauses, the async form suspends its coroutine, so that
an event loop stays free while another process writes.
"""

import atexit
import ctypes
import os
import random
import sqlite3
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, TypeVar

from umbel.core.errors import ImproperlyConfigured, OperationalError
from umbel.drivers.sqlite.trouble import APPLICATION_ID, BadOperation, check_owner, explained, is_busy, warn_of_network
from umbel.runtime.clock import SYSTEM, Clock

T = TypeVar("T")

LOCK_TIMEOUT = 10.0
"""Seconds to wait for the write lock where the caller gives no deadline."""

_CHECKPOINT_PAGES = 4000  # 16 MB of log: each page is copied back once for many changes
_CACHE_KIB = 16_000
_STATEMENTS = 256
_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


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
    """One file, opened when first used. ``path`` is absolute. What is wrong with it is an ``OperationalError``."""

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
        self._pid = os.getpid()
        self._ready = False
        _databases.add(self)

    def prepare(self) -> None:
        """Open the file and create the tables of this part, if that did not happen yet."""
        if not self._ready:
            self.give(self.take())

    # Connections ------------------------------------------------------------------------------------------------------

    def take(self) -> sqlite3.Connection:
        """A connection that nobody else uses until it is given back."""
        if self._pid != os.getpid():
            self._idle, self._pid = deque(), os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def give(self, connection: sqlite3.Connection) -> None:
        """Give a connection back."""
        if self._pid == os.getpid():
            self._idle.append(connection)

    def drop(self, connection: sqlite3.Connection) -> None:
        """Close a connection instead of giving it back."""
        with _guard:
            known = connection in _open
            _open.discard(connection)
        if known:
            connection.close()

    def close(self) -> None:
        """Close what is idle. The database may be used again: it opens anew."""
        while self._idle and self._pid == os.getpid():
            self.drop(self._idle.pop())

    def _connect(self) -> sqlite3.Connection:
        if not self._ready:
            warn_of_network(self.path)
        try:
            connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
            )
        except sqlite3.Error as exc:
            raise explained(exc, self.path) from exc
        with _guard:
            _open.add(connection)
        try:
            self._retry(lambda: self._prepare(connection), LOCK_TIMEOUT)
        except BaseException:
            self.drop(connection)
            raise
        self._ready = True
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        execute = connection.execute
        check_owner(connection, self.path)
        if execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            execute("PRAGMA journal_mode = WAL")
        execute(f"PRAGMA synchronous = {self._synchronous}")
        execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        execute("PRAGMA temp_store = MEMORY")
        if not self._installed(connection):
            execute("BEGIN IMMEDIATE")
            try:
                if not self._installed(connection):
                    self._install(connection)
                execute("COMMIT")
            finally:
                if connection.in_transaction:
                    execute("ROLLBACK")

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
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("CREATE TABLE IF NOT EXISTS part (name TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        connection.execute("INSERT INTO part VALUES (?, ?)", self._part[:2])
        for statement in self._part.script.split(";\n"):
            connection.execute(statement)

    # Transactions -----------------------------------------------------------------------------------------------------

    def run(self, work: Callable[[sqlite3.Connection], T], *, deadline: float = LOCK_TIMEOUT) -> T:
        """Run ``work`` in a transaction that writes, all or nothing. Blocks up to ``deadline`` seconds for the lock."""
        connection = self.take()
        try:
            self._retry(lambda: connection.execute("BEGIN IMMEDIATE"), deadline)
            return self._finish(connection, work)
        finally:
            self.give(connection)

    async def arun(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        deadline: float = LOCK_TIMEOUT,
        connection: sqlite3.Connection | None = None,
    ) -> T:
        """As ``run``; other coroutines go on while it waits for the lock, none while ``work`` runs."""
        used = connection or self.take()
        try:
            await self._aretry(lambda: used.execute("BEGIN IMMEDIATE"), deadline)
            return self._finish(used, work)
        finally:
            if connection is None:
                self.give(used)

    def _finish(self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except _ERRORS as exc:
            self._roll_back(connection)
            raise explained(exc, self.path) from exc
        except BaseException:
            self._roll_back(connection)
            raise
        return result

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:  # a full disk ends the transaction by itself
            try:
                connection.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # what made us roll back is the error to report

    def look(self, work: Callable[[sqlite3.Connection], T], *, deadline: float = LOCK_TIMEOUT) -> T:
        """Run one statement that only reads, or one that is a transaction of its own, and wait as ``run`` does."""
        connection = self.take()
        try:
            return self._retry(lambda: work(connection), deadline)
        finally:
            self.give(connection)

    async def alook(self, work: Callable[[sqlite3.Connection], T], *, deadline: float = LOCK_TIMEOUT) -> T:
        """As ``look``; other coroutines go on while it waits."""
        connection = self.take()
        try:
            return await self._aretry(lambda: work(connection), deadline)
        finally:
            self.give(connection)

    def _retry(self, work: Callable[[], T], deadline: float) -> T:
        try:
            return work()
        except _ERRORS as exc:
            self._raise_unless_busy(exc)
        end = self.clock.monotonic() + deadline
        for pause in self._pauses():
            self.clock.pause(pause)
            try:
                return work()
            except _ERRORS as exc:
                self._raise_unless_busy(exc, end)
        raise AssertionError("pauses never end")

    async def _aretry(self, work: Callable[[], T], deadline: float) -> T:
        try:
            return work()
        except _ERRORS as exc:
            self._raise_unless_busy(exc)
        end = self.clock.monotonic() + deadline
        for pause in self._pauses():
            await self.clock.sleep(pause)
            try:
                return work()
            except _ERRORS as exc:
                self._raise_unless_busy(exc, end)
        raise AssertionError("pauses never end")

    def _raise_unless_busy(self, exc: Exception, end: float | None = None) -> None:
        if not is_busy(exc) or (end is not None and self.clock.monotonic() >= end):
            raise explained(exc, self.path) from exc

    def _pauses(self) -> Iterator[float]:
        """Short, growing, and different for each who waits: 0.1 ms to 5 ms."""
        pause = 0.0002
        while True:
            yield pause * (0.5 + self._chance.random())
            pause = min(pause * 1.5, 0.004)

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


_ERRORS = (sqlite3.Error, OverflowError, ValueError)
"""What ``sqlite3`` raises: the latter two for values that SQLite cannot hold."""


# Fork and exit --------------------------------------------------------------------------------------------------------

_guard = threading.Lock()
_open: set[sqlite3.Connection] = set()
_databases: "weakref.WeakSet[Database]" = weakref.WeakSet()


def _forget_in_child() -> None:
    # Another thread may have been inside SQLite at the fork: its mutex stays locked here for ever, and so would a
    # child that closes the connection, be it only by garbage collection. One more reference keeps it from that.
    global _guard  # the parent's may be held
    _guard = threading.Lock()
    for connection in _open:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    _open.clear()


def _close_at_exit() -> None:
    for database in list(_databases):
        database.close()


os.register_at_fork(after_in_child=_forget_in_child)
atexit.register(_close_at_exit)
