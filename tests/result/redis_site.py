"""An empty Redis database as a site of the result suites, with a clock that a test can turn."""

from typing import Any

import redis

from umbel.result.base import Store
from umbel.result.redis import RedisStore
from umbel.runtime.clock import Clock
from umbel.testing import FakeClock
from umbel.testing.result_conformance import EXPIRES


class ServerTime(FakeClock):
    """Time passes on the server too: what has a time to live gets nearer to its end."""

    def __init__(self, client: "redis.Redis") -> None:
        super().__init__()
        self._client = client

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        for key in self._client.scan_iter():
            left = self._client.pttl(key)
            if left > 0:
                self._client.pexpire(key, int(left - seconds * 1000))


class RedisSite:
    """Stores in one database."""

    def __init__(self, url: str, clock: Clock, **options: Any) -> None:
        self.url = url
        self.clock = clock
        self.options = options
        self._stores: list[RedisStore] = []

    def store(self) -> Store:
        store = RedisStore(self.url, expires=EXPIRES, clock=self.clock, options=self.options)
        self._stores.append(store)
        return store

    def close(self) -> None:
        for store in self._stores:
            store.sync.close()
