"""Connections cut at random bytes, in both directions: it costs time, never a task (G12), and never runs one twice."""

import random
from collections.abc import Callable

import pytest

from tests.crash.proxy import Proxy
from tests.redis.load import Load
from tests.servers import GivenServer, RedisServer
from tests.worker.fleet import until
from umbel.core.errors import OperationalError

CUTS = 100
LEASE = 300
"""Seconds: nobody is cut off so long that others may take what it has, so that nothing excuses a second run."""


@pytest.fixture
def port(redis_server: RedisServer | GivenServer) -> int:
    """Of the server that tests share."""
    return redis_server.client().connection_pool.connection_kwargs["port"]  # type: ignore[no-any-return]


def test_cuts_while_workers_claim_and_settle(
    port: int, redis_db: int, redis_url: str, load_at: Callable[..., Load]
) -> None:
    dice = random.Random(12)
    with Proxy(port, dice) as proxy:
        load = load_at(proxy.url(redis_db), look_at=redis_url, worker_lease=LEASE)
        load.publish(800)
        load.publish(100, task="retried")
        load.farm.worker("-c", "4")
        load.reach(50)
        load.fault("connections of workers cut at random bytes", slots=0)
        proxy.cut(CUTS)
        load.reach(1000, within=90)
        proxy.cut(0)
        verdict = load.drain()
    assert verdict.problems() == []
    assert min(proxy.cuts.values()) > 10, proxy.cuts
    assert "Traceback" not in load.farm.said()


def test_cuts_while_a_producer_publishes(
    port: int, redis_db: int, redis_url: str, load_at: Callable[..., Load]
) -> None:
    """Who was not told that a call is out calls again: that one alone may run twice."""
    dice = random.Random(13)
    with Proxy(port, dice) as proxy:
        load = load_at(proxy.url(redis_db), look_at=redis_url, worker_lease=30)
        load.fault("connections of a producer cut at random bytes", slots=0)
        proxy.cut(CUTS)
        said: list[str] = []
        for number in range(1000):
            key = str(number)
            for _ in range(20):
                try:
                    load.call(key)
                    break
                except OperationalError as error:
                    said.append(str(error))
            else:
                raise AssertionError(f"{key} cannot be published")
        cuts = dict(proxy.cuts)
        proxy.cut(0)
        load.farm.worker("-c", "4")
        verdict = load.drain()
    assert verdict.problems() == []
    assert said, f"no cut met a call: {cuts}"
    assert all("It may run" in text or "Nothing was sent" in text for text in said)


def test_cuts_during_bulk(port: int, redis_db: int, redis_url: str, load_at: Callable[..., Load]) -> None:
    """A bulk call is one step: after a cut either all of it is there or nothing."""
    dice = random.Random(14)
    with Proxy(port, dice) as proxy:
        load = load_at(proxy.url(redis_db), look_at=redis_url)
        load.farm.send("quick", "warm")
        waiting = 1
        while sum(proxy.cuts.values()) < 20:
            proxy.cut(1)
            try:
                with load.farm._app.bulk():
                    for number in range(40):
                        load.farm.send("quick", number, priority=number % 10)
            except OperationalError:
                pass
            proxy.cut(0)
            depth = until(load.farm.depth)
            assert depth.ready - waiting in (0, 40)
            waiting = depth.ready
