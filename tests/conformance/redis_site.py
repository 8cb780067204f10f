"""Where the Redis adapters come from in tests: a database of a private server, empty, and its own."""

from typing import Any

import redis

from tests.servers import GivenServer, RedisServer
from umbel.broker.base import Broker, Consumer
from umbel.broker.redis import RedisBroker
from umbel.result.base import Store
from umbel.result.redis import RedisStore
from umbel.runtime.clock import Clock
from umbel.testing.broker_conformance import success

GARBAGE = b"\xff{ this is no message"


class RedisSite:
    """A database for messages, and the same or another for results."""

    def __init__(
        self, server: RedisServer | GivenServer, clock: Clock, *, other_db: bool = False, **options: Any
    ) -> None:
        self.clock = clock
        self.options = options
        self._server = server
        self.db = server.take()
        self.store_db = server.take() if other_db else self.db
        self.url = server.url(self.db)
        self.prefix = str(options.get("global_keyprefix", ""))
        self._stores: list[Store] = []

    def broker(self) -> Broker:
        return RedisBroker(self.url, clock=self.clock, options=self.options)

    def store(self) -> Store:
        return self._store(self._server.url(self.store_db))

    def store_elsewhere(self) -> Store:
        return self._store("redis://elsewhere.invalid:6379/0")

    def bad_op(self) -> Any:
        op = self.store().compile(success("bad"))
        with self._server.client(self.store_db) as client:
            client.rpush(op[2], "a list where a result belongs")
        return op

    def put_garbage(self, queue: str) -> None:
        with self.client() as client:
            client.lpush(f"{self.prefix}{queue}", GARBAGE)

    def lapse(self, consumer: Consumer) -> None:
        with self.client() as client:
            client.zadd(f"{self.prefix}umbel:consumers", {consumer.id: self.clock.now() - 1})

    def client(self) -> redis.Redis:
        """A look from outside."""
        return self._server.client(self.db)

    def close(self) -> None:
        for store in self._stores:
            store.sync.close()
        for db in {self.db, self.store_db}:
            self._server.give_back(db)

    def _store(self, url: str) -> Store:
        self._stores.append(RedisStore(url, expires=600, clock=self.clock))
        return self._stores[-1]
