"""x"""
import pytest
from collections.abc import Callable
from tests.redis.load import Load
from tests.servers import RedisServer
from tests.worker.fleet import until

@pytest.mark.parametrize("pool", [("-P","threads","-c","3")])
def test_a_result_store_that_hangs_costs_no_lease(load_at: Callable[..., Load], own_redis: Callable[..., RedisServer], redis_url: str, pool) -> None:
    results = own_redis()
    load = load_at(redis_url, look_at=results.url(), backend=results.url())
    farm = load.farm
    first = farm.worker(*pool)
    farm.send("add", 1, 1).get(timeout=10)
    farm.send("hold", "long", str(farm.gate()))
    farm.started("long")
    results.freeze()
    farm.send("sleep", "short", 0.01)
    farm.started("short")
    other = farm.worker(*pool)
    import time; b=time.time()
    try:
        until(lambda: "Rescued" in other.text or len(farm.lines("start","long"))>1 or time.time()-b>6, within=30)
    finally:
        results.thaw()
    farm.gate().touch()
    until(load.is_empty)
    print(farm.said())
    assert len(farm.lines("start", "long")) == 1
