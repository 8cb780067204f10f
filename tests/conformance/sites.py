"""Where the built-in adapters come from in tests: each site is empty, and its own."""

import sqlite3
import uuid
from pathlib import Path

from umbel.broker.base import Broker, Consumer
from umbel.broker.memory import MemoryBroker
from umbel.broker.memory.state import Entry
from umbel.broker.sqlite import SqliteBroker
from umbel.broker.sqlite.consumer import SqliteConsumer
from umbel.drivers import memory
from umbel.drivers.sqlite import Write
from umbel.result.base import Store
from umbel.result.memory import MemoryStore
from umbel.result.sqlite import SqliteStore
from umbel.runtime.clock import Clock
from umbel.testing import FakeClock
from umbel.testing.broker_conformance import LEASE, success

GARBAGE = b"\xff{ this is no message"


class SqliteSite:
    """A file in a folder of its own."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.folder = folder
        self.path = folder / "umbel.db"
        self.url = f"sqlite:///{self.path}"
        self._stores: list[SqliteStore] = []

    def broker(self) -> Broker:
        return SqliteBroker(self.url, clock=self.clock)

    def store(self) -> Store:
        return self._store(self.url)

    def store_elsewhere(self) -> Store:
        return self._store(f"sqlite:///{self.folder / 'elsewhere.db'}")

    def bad_op(self) -> Write:
        good = self._store(self.url).compile(success("bad"))
        return good._replace(row=(None, *good.row[1:]))

    def put_garbage(self, queue: str) -> None:
        SqliteBroker(self.url).database.prepare()
        with self.connect() as link:
            link.execute("INSERT INTO outbox (queue, priority, head, body) VALUES (?, 0, ?, x'00')", (queue, GARBAGE))
        link.close()

    def lapse(self, consumer: Consumer) -> None:
        assert isinstance(consumer, SqliteConsumer)
        consumer._locks.drop(consumer.id)
        with self.connect() as link:
            link.execute("UPDATE consumer SET life = 'another' WHERE id = ?", (consumer.id,))
        link.close()

    def close(self) -> None:
        for store in self._stores:
            store.sync.close()

    def connect(self) -> sqlite3.Connection:
        """A look at the tables from outside."""
        return sqlite3.connect(self.path, timeout=10)

    def _store(self, url: str) -> SqliteStore:
        self._stores.append(SqliteStore(url, expires=600, clock=self.clock))
        return self._stores[-1]


class MemorySite:
    """A space of its own."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.url = f"memory://{uuid.uuid4().hex}"

    def broker(self) -> Broker:
        return MemoryBroker(self.url, clock=self.clock)

    def store(self) -> Store:
        return MemoryStore(self.url, expires=600, clock=self.clock)

    def store_elsewhere(self) -> Store:
        return MemoryStore(f"{self.url}-elsewhere", expires=600, clock=self.clock)

    def bad_op(self) -> memory.Write:
        def fail() -> None:
            raise ValueError("refused")

        return memory.Write(fail)  # type: ignore[arg-type]

    def put_garbage(self, queue: str) -> None:
        MemoryBroker(self.url)._state.publish([Entry(queue, 0, 0, GARBAGE, b"\0")])

    def lapse(self, consumer: Consumer) -> None:
        assert isinstance(self.clock, FakeClock)
        self.clock.advance(LEASE + 1)

    def close(self) -> None:
        memory._spaces.pop(self.url, None)
        memory._spaces.pop(f"{self.url}-elsewhere", None)
