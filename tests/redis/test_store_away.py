"""A result store on a server of its own that hangs: what a worker runs stays its own, however long that takes."""

from collections.abc import Callable

from tests.redis.load import Load
from tests.servers import RedisServer
from tests.worker.fleet import until
from umbel.broker.redis import RedisBroker
from umbel.result.redis import RedisStore
from umbel.testing import FakeClock


def lease_end(load: Load, id: bytes) -> float:
    """By the server's clock; 0 for one that is not registered."""
    return float(load.look.zscore("umbel:consumers", id) or 0)


def test_a_result_store_that_hangs_costs_no_lease(
    load_at: Callable[..., Load], own_redis: Callable[..., RedisServer], redis_url: str
) -> None:
    results = own_redis()
    load = load_at(redis_url, backend=results.url())
    farm = load.farm
    farm.worker("-P", "threads", "-c", "3")
    other = farm.worker("-P", "threads", "-c", "3", "-Q", "elsewhere")
    assert farm.send("add", 1, 1).get(timeout=20) == 2
    farm.send("hold", "long", str(farm.gate()))
    farm.started("long")
    results.freeze()
    farm.send("sleep", "short", 0.0)
    farm.started("short")
    before = {id: lease_end(load, id) for id in load.consumers()}

    def renewed() -> bool:
        return all(lease_end(load, id) > end + 2 for id, end in before.items())

    until(lambda: renewed() or "Rescued" in other.text, what="two more leases, or a rescue")
    results.thaw()
    farm.gate().touch()
    until(load.is_empty)
    assert len(farm.lines("start", "long")) == 1, farm.said()
    assert len(farm.lines("start", "short")) == 1, farm.said()


def test_a_server_that_was_away_is_asked_again_whether_it_has_the_results(
    own_redis: Callable[..., RedisServer],
) -> None:
    """Without the answer results come first, which is right, and slower: so it must not be the last word."""
    server, clock = own_redis(), FakeClock()
    broker = RedisBroker(server.url(), clock=clock)
    store = RedisStore(server.url(1), expires=None)
    server.kill()
    assert not broker.shares_server(store)
    server.start()
    clock.advance(60)
    assert broker.shares_server(store)
    server.kill()
    assert broker.shares_server(store)
