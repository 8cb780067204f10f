from pathlib import Path

import pytest

from tests.conformance.redis_site import RedisSite
from tests.conformance.sites import MemorySite, SqliteSite
from tests.servers import GivenServer, RedisServer
from umbel.testing import FakeClock
from umbel.testing.broker_model import ModelSuite


class TestMemory(ModelSuite):
    def make_site(self, folder: Path) -> MemorySite:
        return MemorySite(FakeClock())


class TestSqlite(ModelSuite):
    def make_site(self, folder: Path) -> SqliteSite:
        return SqliteSite(folder, FakeClock())


class TestRedis(ModelSuite):
    server: RedisServer | GivenServer

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _serve(cls, redis_server: RedisServer | GivenServer) -> None:
        cls.server = redis_server

    def make_site(self, folder: Path) -> RedisSite:
        return RedisSite(self.server, FakeClock())
