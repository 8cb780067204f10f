from pathlib import Path

import pytest

from tests.conformance.redis_site import RedisSite
from tests.servers import GivenServer, RedisServer
from umbel.runtime.clock import SYSTEM
from umbel.testing import FakeClock
from umbel.testing.broker_conformance import BrokerSuite, ClockLeaseSuite, TickSuite, WaitSuite


class OnServer:
    server: RedisServer | GivenServer

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _serve(cls, redis_server: RedisServer | GivenServer) -> None:
        cls.server = redis_server


class TestRedis(OnServer, BrokerSuite):
    def make_site(self, folder: Path) -> RedisSite:
        return RedisSite(self.server, FakeClock())


class TestRedisWithResultsInAnotherDatabase(OnServer, BrokerSuite):
    def make_site(self, folder: Path) -> RedisSite:
        return RedisSite(self.server, FakeClock(), other_db=True, global_keyprefix="{px}:", priority_steps=range(10))


class TestRedisByTheServersClock(OnServer, WaitSuite):
    def make_site(self, folder: Path) -> RedisSite:
        return RedisSite(self.server, SYSTEM)


class TestRedisLeases(OnServer, ClockLeaseSuite):
    def make_site(self, folder: Path) -> RedisSite:
        return RedisSite(self.server, FakeClock())


class TestRedisTicks(OnServer, TickSuite):
    def make_site(self, folder: Path) -> RedisSite:
        return RedisSite(self.server, FakeClock(), global_keyprefix="{px}:")
