"""The suites of every result store, on Redis."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.result.redis_site import RedisSite, ServerTime
from tests.servers import GivenServer, RedisServer
from umbel.runtime.clock import SYSTEM
from umbel.testing.conformance.site import asynchronous
from umbel.testing.conformance.storing import EXPIRES, record
from umbel.testing.result_conformance import CatalogueSuite, GroupSuite, JoinSuite, StoreSuite, StoreWaitSuite


class _OnRedis:
    @pytest.fixture(autouse=True)
    def _set_up(self, redis_server: RedisServer | GivenServer, redis_db: int) -> Iterator[None]:
        self.url = redis_server.url(redis_db)
        self.client = redis_server.client(redis_db)
        self.site: Any = self.make_site(Path())
        yield
        self.site.close()
        self.client.close()

    async def close_all(self) -> None:
        """Nothing else was opened."""

    def make_site(self, folder: Path) -> Any:
        raise NotImplementedError


class TestRedis(_OnRedis, StoreSuite):
    def make_site(self, folder: Path) -> Any:
        return RedisSite(self.url, ServerTime(self.client))

    @asynchronous
    async def test_pruning_deletes_what_has_expired_and_no_more_than_asked(self) -> None:
        """On Redis there is nothing to prune: the server does it."""
        await self.store.write([record("old")])
        self.advance(EXPIRES / 2)
        await self.store.write([record("young")])
        self.advance(EXPIRES / 2 + 1)
        assert self.client.dbsize() == 1
        assert await self.store.prune(10) == 0
        assert await self.read("young") == record("young")


class TestRedisWakes(_OnRedis, StoreWaitSuite):
    def make_site(self, folder: Path) -> Any:
        return RedisSite(self.url, SYSTEM)


class TestRedisWithPrefix(_OnRedis, StoreSuite):
    test_pruning_deletes_what_has_expired_and_no_more_than_asked = None  # type: ignore[assignment]

    def make_site(self, folder: Path) -> Any:
        return RedisSite(self.url, ServerTime(self.client), global_keyprefix="tenant")


class TestRedisJoins(_OnRedis, JoinSuite):
    def make_site(self, folder: Path) -> Any:
        return RedisSite(self.url, ServerTime(self.client))


class TestRedisJoinsWithPrefix(_OnRedis, JoinSuite):
    def make_site(self, folder: Path) -> Any:
        return RedisSite(self.url, ServerTime(self.client), global_keyprefix="tenant")


class TestRedisGroups(_OnRedis, GroupSuite):
    def make_site(self, folder: Path) -> Any:
        return RedisSite(self.url, ServerTime(self.client))


class TestRedisGroupsWithPrefix(_OnRedis, GroupSuite):
    def make_site(self, folder: Path) -> Any:
        return RedisSite(self.url, ServerTime(self.client), global_keyprefix="tenant")


class TestRedisCatalogue(_OnRedis, CatalogueSuite):
    def make_site(self, folder: Path) -> Any:
        return RedisSite(self.url, ServerTime(self.client), global_keyprefix="tenant")

    @asynchronous
    async def test_what_has_expired_is_taken_out_when_another_comes(self) -> None:
        await self.catalogue.note("old", [])
        self.advance(EXPIRES / 2)
        await self.catalogue.note("young", [])
        self.advance(EXPIRES / 2 + 1)
        await self.catalogue.note("new", [])
        assert self.client.zcard("tenant_umbel:workflows") == 2
        assert 0 < self.client.ttl("tenant_umbel:workflows") <= EXPIRES
