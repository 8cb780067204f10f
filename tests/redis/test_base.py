"""What is left in Redis when the work is done: results until they expire, kombu's tables, and the living (G10)."""

from collections.abc import Callable

from tests.redis.load import Load
from tests.worker.fleet import until

TASKS = 20_000
BINDINGS, RESULTS, OWN = b"_kombu.binding.", b"celery-task-meta-", b"umbel:"
OF_THE_LIVING = {b"umbel:consumers", b"umbel:pulse"}
EXPIRES = 8


def call_many(load: Load, count: int) -> None:
    """A lot of no-ops with results."""
    for _ in range(0, count, 1000):
        with load.farm._app.bulk():
            for number in range(1000):
                load.farm.send("add", number, 1)


def keys(load: Load) -> set[bytes]:
    """All of them."""
    return set(load.look.scan_iter(count=5000))


def unexpiring_results(load: Load, found: set[bytes]) -> list[bytes]:
    """Results that would stay for longer than they should."""
    results = [key for key in found if key.startswith(RESULTS)]
    with load.look.pipeline(transaction=False) as pipe:
        for key in results:
            pipe.pttl(key)
        left = pipe.execute()
    return [key for key, ms in zip(results, left, strict=True) if not (ms == -2 or 0 <= ms <= EXPIRES * 1000)]


def test_a_drained_server_is_back_at_its_base(load_at: Callable[..., Load], redis_url: str) -> None:
    load = load_at(redis_url, result_expires=EXPIRES, worker_lease=30)
    call_many(load, TASKS)
    load.farm.send("flaky", "retries", 1)
    load.farm.send("ignored")
    worker = load.farm.worker("-c", "2")
    until(load.is_empty, 60, what="an empty broker")
    drained = keys(load)
    living = {id.decode() for id in load.consumers()}
    assert len(living) == 3, "two processes and their supervisor"
    others = {key for key in drained if not key.startswith((RESULTS, BINDINGS))}
    theirs = {key for key in others if any(id.encode() in key for id in living)}
    waiting = {key for key in others if key.startswith((b"umbel:armed:", b"umbel:idle:"))}
    assert others - theirs - waiting <= OF_THE_LIVING
    assert unexpiring_results(load, drained) == []
    assert worker.stop() == 0
    after = keys(load)
    assert {key for key in after if key.startswith(OWN)} == set()
    assert {key for key in after if not key.startswith((RESULTS, BINDINGS))} == set()
    until(lambda: not any(key.startswith(RESULTS) for key in keys(load)), 30, what="the results have expired")
    assert all(key.startswith(BINDINGS) for key in keys(load))


def test_nothing_stays_of_workers_that_were_killed(load: Load) -> None:
    load.publish(200)
    worker = load.farm.worker("-c", "2")
    load.reach(20)
    load.lose(worker, slots=2)
    load.farm.worker("-c", "2")
    assert load.drain().problems() == []
    assert {key for key in keys(load) if not key.startswith((RESULTS, BINDINGS, b"umbel:lost:"))} == set()
    assert all(load.look.ttl(key) > 0 for key in keys(load) if key.startswith(b"umbel:lost:"))
