"""A worker and a producer before Redis is there: a line for each attempt, and work soon after its arrival."""

from collections.abc import Callable

import pytest

from tests.redis.load import Load
from tests.servers import RedisServer
from tests.worker.fleet import until
from umbel.core.errors import OperationalError
from umbel.runtime.clock import SYSTEM

ATTEMPTS = 4


def test_a_worker_and_a_producer_before_redis(
    own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]
) -> None:
    server = own_redis()
    server.kill()
    load = load_at(server.url(), worker_lease=30, broker_publish_timeout=0.3)
    worker = load.farm.worker("-c", "2", ready=False)
    with pytest.raises(OperationalError, match="Nothing was sent") as raised:
        load.farm.send("add", 1, 2)
    assert "\n" not in str(raised.value)
    until(lambda: worker.text.count("Trying again in") >= ATTEMPTS, what=f"attempts; {worker.text}")
    server.start()
    arrived = SYSTEM.monotonic()
    result = load.farm.send("add", 1, 2)
    assert result.get(timeout=20) == 3
    assert SYSTEM.monotonic() - arrived < 10, "the promise is 5 s; the rest is for a busy machine"
    said = [line for line in worker.text.splitlines() if "Trying again in" in line]
    assert all("cannot be reached" in line and "WARNING" in line for line in said)
    assert "Traceback" not in worker.text
    assert worker.stop() == 0


def test_a_worker_that_must_not_wait_for_redis(
    own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]
) -> None:
    server = own_redis()
    server.kill()
    load = load_at(server.url(), broker_connection_retry_on_startup=False)
    worker = load.farm.worker("-c", "1", ready=False)
    assert worker.wait() == 1
    said = [line for line in worker.text.splitlines() if "127.0.0.1" in line and line.startswith("[")]
    assert len(said) == 1
    assert "cannot be reached" in said[0]
    assert "Traceback" not in worker.text


def test_a_worker_whose_redis_leaves_and_comes_back(
    own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]
) -> None:
    """With a lease of 30 s too: how long a process waits between attempts does not follow the lease."""
    server = own_redis(appendonly="yes", appendfsync="always")
    load = load_at(server.url(), worker_lease=30)
    worker = load.farm.worker("-c", "1")
    assert load.farm.send("add", 1, 1).get(timeout=20) == 2
    server.kill()
    until(lambda: worker.text.count("Trying to connect again") >= ATTEMPTS, what=f"attempts; {worker.text}")
    server.start()
    arrived = SYSTEM.monotonic()
    assert load.farm.send("add", 2, 2).get(timeout=20) == 4
    assert SYSTEM.monotonic() - arrived < 10, "the promise is 5 s; the rest is for a busy machine"
    assert "Traceback" not in worker.text
    assert worker.stop() == 0
