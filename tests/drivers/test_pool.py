"""How many connections to Redis a process has at once, and what becomes of who needs one more."""

import os
import threading
from typing import Any

import pytest

from umbel import Umbel
from umbel.core.errors import OperationalError
from umbel.drivers.redis import blocking
from umbel.drivers.redis.blocking import Pool
from umbel.drivers.redis.place import parse


def test_who_needs_one_more_waits_for_it(redis_url: str) -> None:
    pool = Pool(parse(redis_url)[0], most=1)
    first = pool.take(5)
    with pytest.raises(
        OperationalError, match=r"all 1 connections to Redis at .* were in use for 0.01 s; see broker_pool"
    ):
        pool.take(0.01)
    threading.Timer(0.01, pool.give, (first,)).start()
    assert pool.take(20) is first
    pool.give(first)
    pool.close()


def test_who_waited_has_less_time_to_connect(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(parse(redis_url)[0], most=1)
    first = pool.take(5)
    first.close()
    left: list[float] = []
    monkeypatch.setattr(blocking, "connect", lambda place, timeout, clock: left.append(timeout))
    threading.Timer(0.01, pool.give, (first,)).start()
    pool.take(20)
    assert left[0] < 20


def test_a_connection_that_broke_makes_room_and_so_does_one_that_was_never_made(redis_url: str) -> None:
    pool = Pool(parse(redis_url)[0], most=1)
    broken = pool.take(5)
    broken.close()
    pool.give(broken)
    again = pool.take(5)
    assert again is not broken
    pool.give(again)
    pool.close()
    nowhere = Pool(parse("redis://127.0.0.1:1/0")[0], most=1)
    for _ in range(3):
        with pytest.raises(OperationalError, match="cannot be reached"):
            nowhere.take(0.5)


def test_without_a_pool_each_call_makes_its_own(redis_url: str) -> None:
    pool = Pool(parse(redis_url)[0], most=0)
    first = pool.take(5)
    pool.give(first)
    assert first.sock.fileno() == -1
    second = pool.take(5)
    assert second is not first
    pool.give(second)


def test_a_forked_child_has_all_of_its_own(redis_url: str) -> None:
    pool = Pool(parse(redis_url)[0], most=1)
    held = pool.take(5)
    child = os.fork()
    if child == 0:
        try:
            pool.take(5)
        except BaseException:  # noqa: BLE001  a child of a test only says how it ended
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    pool.give(held)
    pool.close()


@pytest.mark.parametrize(("limit", "most"), [(10, 10), (3, 3), (0, 0), (None, 0)])
def test_the_settings_say_how_many(limit: int | None, most: int) -> None:
    app = Umbel("x", broker="redis://host/1", backend="redis://host/2", set_as_current=False)
    app.conf.update(broker_pool_limit=limit, redis_max_connections=limit)
    producer: Any = app.sync_producer
    store: Any = app.store
    assert producer._channel._pool.most == most
    assert store.sync._pool.most == (limit or None)
