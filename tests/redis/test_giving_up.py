"""How often a worker tries to reach its Redis: as the settings say, and then it ends with what it held handed back."""

from collections.abc import Callable

import pytest

from tests.redis.load import Load
from tests.servers import RedisServer
from tests.worker.fleet import until


def test_a_worker_that_must_not_reconnect_ends(
    own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]
) -> None:
    server = own_redis()
    load = load_at(server.url(), worker_lease=3, broker_connection_retry=False, worker_shutdown_timeout=1)
    worker = load.farm.worker("-c", "1")
    server.kill()
    assert worker.wait() == 1
    assert "The broker was not reached in 1 attempts: the worker ends" in worker.text
    assert "Traceback" not in worker.text


@pytest.mark.parametrize("reached", [True, False], ids=["lost later", "never there"])
def test_a_worker_gives_up_after_so_many_attempts(
    own_redis: Callable[..., RedisServer], load_at: Callable[..., Load], reached: bool
) -> None:
    server = own_redis()
    load = load_at(server.url(), worker_lease=3, broker_connection_max_retries=2, worker_shutdown_timeout=1)
    if not reached:
        server.kill()
    worker = load.farm.worker("-c", "1", ready=reached)
    if reached:
        server.kill()
        until(lambda: "was not reached in 3 attempts" in worker.text, what=worker.text)
    assert worker.wait() == 1
    assert worker.text.count("Trying again in") == (0 if reached else 2)
