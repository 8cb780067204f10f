"""Redis killed, away, replaced and out of reach under load: claims outlive it, and nothing runs twice for it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.crash.proxy import Proxy
from tests.redis.load import Load
from tests.redis.sentinel import NAME, change_places, in_step, role, sentinel
from tests.servers import RedisServer
from tests.worker.fleet import until
from umbel import Umbel
from umbel.core.record import Record
from umbel.runtime.clock import SYSTEM
from umbel.testing.witness import WITNESS

DURABLE = {"appendonly": "yes", "appendfsync": "always"}
LEASE = 2.0


def test_redis_killed_and_restarted(own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]) -> None:
    server = own_redis(**DURABLE)
    load = load_at(server.url(), worker_lease=LEASE)
    load.publish(2000)
    load.farm.worker("-c", "4")
    load.farm.worker("-c", "2")
    for ended in (200, 500, 800):
        load.reach(ended)
        load.fault("Redis killed and restarted", slots=0)
        server.restart()
    assert load.drain().problems() == []


def test_redis_away_for_two_leases(own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]) -> None:
    """What runs meanwhile goes on and is settled afterwards (G4); nobody is rescued, because nobody could renew."""
    server = own_redis(**DURABLE)
    load = load_at(server.url(), worker_lease=LEASE)
    load.publish(1000)
    load.call("long", task="hold", args=(str(load.farm.gate()),))
    load.farm.worker("-c", "4")
    load.farm.worker("-c", "2")
    load.reach(300)
    load.fault("Redis away for two leases", slots=0)
    server.kill()
    back = SYSTEM.monotonic() + 2 * LEASE
    until(lambda: SYSTEM.monotonic() > back)
    server.start()
    load.reach(1000)
    load.farm.gate().touch()
    verdict = load.drain()
    assert verdict.problems() == []
    assert "Traceback" not in load.farm.said()


def test_redis_frozen_for_two_leases(own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]) -> None:
    """Connections stay open and nothing answers: the worst kind of away."""
    server = own_redis()
    load = load_at(server.url(), worker_lease=LEASE)
    load.publish(1000)
    load.farm.worker("-c", "4")
    load.reach(300)
    load.fault("Redis frozen for two leases", slots=0)
    server.freeze()
    back = SYSTEM.monotonic() + 2 * LEASE
    until(lambda: SYSTEM.monotonic() > back)
    server.thaw()
    assert load.drain().problems() == []


def test_connections_killed_every_100_ms(load: Load) -> None:
    load.publish(1500)
    load.farm.worker("-c", "4")
    load.reach(50)
    load.fault("CLIENT KILL every 100 ms", slots=0)
    with killing(load.look) as kills:
        load.reach(1500, within=90)
    assert len(kills) > 10
    assert load.drain().problems() == []


@contextmanager
def killing(client: "redis.Redis") -> Iterator[list[int]]:
    """Cut every connection but our own, ten times a second; how many at each time."""
    over, kills = threading.Event(), list[int]()

    def kill() -> None:
        with redis.Redis(connection_pool=client.connection_pool) as killer:
            while not over.wait(0.1):
                kills.append(int(killer.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")))

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield kills
    finally:
        over.set()
        thread.join()


# Fail-over ------------------------------------------------------------------------------------------------------------


def test_a_fail_over_that_sentinels_know(
    tmp_path: Path, own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]
) -> None:
    """The old master becomes a read-only replica and keeps its connections: READONLY is a reason to ask again."""
    master = own_redis()
    replica = own_redis(replica_of=master)
    until(lambda: in_step(replica), what="the replica is in step")
    with sentinel(tmp_path / "sentinel", master) as watcher:
        load = load_at(
            f"sentinel://{watcher.host}:{watcher.port}/0",
            look_at=replica.url(),
            backend=None,
            broker_transport_options={"master_name": NAME},
        )
        load.publish(2400)
        load.farm.worker("-c", "4")
        load.reach(300)
        load.fault("a fail-over", slots=0)
        fail_over(master, replica, watcher)
        load.publish(20)  # there may be nothing left to do, on a machine that is busy with the fail-over
        assert load.drain().problems() == []
    assert "read-only replica" in load.farm.said() or "lost" in load.farm.said()


def fail_over(master: RedisServer, replica: RedisServer, watcher: Any) -> None:
    """The replica becomes the master; sentinels say so."""
    watcher.forget()
    change_places(master, replica)
    until(lambda: (role(master), role(replica)) == ("slave", "master"), what="places are changed")
    watcher.watch(replica)


def test_a_fail_over_behind_one_address(own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]) -> None:
    master = own_redis()
    replica = own_redis(replica_of=master)
    until(lambda: in_step(replica), what="the replica is in step")
    with Proxy(master.port) as address:
        load = load_at(address.url(), look_at=replica.url())
        del load.farm.environment[WITNESS]  # for a second it may read at the old master, which sees it late
        load.publish(1200)
        load.farm.worker("-c", "4")
        load.reach(300)
        load.fault("a fail-over", slots=0)
        change_places(master, replica)
        until(lambda: (role(master), role(replica)) == ("slave", "master"), what="places are changed")
        address.target = replica.port
        assert load.drain().problems() == []


def test_a_caller_with_many_connections_to_a_former_master_leaves_them_all(
    own_redis: Callable[..., RedisServer],
) -> None:
    """Each of them would refuse one attempt, and there are fewer attempts than connections."""
    master, other = own_redis(), own_redis()
    with Proxy(master.port) as address, Umbel("moved", broker=address.url(), backend=address.url()) as app:
        pools = [app.sync_producer._channel._pool, app.store.sync._pool]  # type: ignore[attr-defined, union-attr]
        for pool in pools:
            for connection in [pool.take(5) for _ in range(10)]:
                pool.give(connection)
        with master.client() as client:
            client.replicaof(RedisServer.host, 1)
        until(lambda: role(master) == "slave", what="the old master is a replica")
        address.target = other.port
        app.send_task("add", task_id="a")
        assert app.store is not None
        app.store.sync.write([Record("SUCCESS", 2, task_id="a")])
        with other.client() as client:
            assert client.llen("celery") == 1
            assert client.exists("celery-task-meta-a")
