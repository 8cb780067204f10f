"""What the tests of Redis's own rules stand on: the suite's words, and a look at the keys from outside."""

from pathlib import Path
from typing import Any

from tests.conformance.redis_site import RedisSite
from tests.conformance.test_redis import OnServer
from umbel.testing import FakeClock
from umbel.testing.broker_conformance import Suite

ODD = (
    b'{"body": "W10=", "content-type": "application/json", '
    b'"headers": {"task": "t", "id": "t", "x": [], "n": 12345678901234567890}, '
    b'"properties": {"delivery_tag": "odd", "body_encoding": "base64"}}'
)
"""An element with what a script that decoded it would spoil."""


class RedisRules(OnServer, Suite):
    site: RedisSite

    def make_site(self, folder: Path) -> RedisSite:
        return RedisSite(self.server, FakeClock())

    def keys(self) -> set[str]:
        with self.site.client() as client:
            return {key.decode() for key in client.scan_iter()}

    def run(self, *command: Any) -> Any:
        with self.site.client() as client:
            return client.execute_command(*command)
