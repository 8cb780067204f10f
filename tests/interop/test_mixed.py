"""Both kinds of workers on one queue: thousands of tasks from both kinds of callers, none lost, and counted alike."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.interop.fleet import Fleet
from tests.servers import GivenServer, RedisServer
from tests.worker.fleet import until
from umbel.runtime.clock import SYSTEM

COUNT = int(os.environ.get("INTEROP_COUNT", "1000"))
"""Calls from each side; ``make interop`` makes it 5,000."""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_mixed_fleet_loses_nothing(fleet: Fleet, version: str) -> None:
    client = fleet.celery_client(version)
    nodes = [fleet.umbel("-c", "2", ready=False), fleet.celery(version, "-c", "2", ready=False)]
    for node in nodes:
        node.ready()
    with fleet.umbel_client() as app:
        with app.bulk():
            ours = [app.tasks["interop.echo"].delay(n).id for n in range(COUNT)]
        theirs = client.send_many("interop.echo", count=COUNT)
        until(lambda: fleet.runs() >= 2 * COUNT, 200, what="every task ran")
        assert client.get_many(ids=[*ours, *theirs]) == [
            {"args": [n], "kwargs": {}} for _ in range(2) for n in range(COUNT)
        ]
        assert [app.AsyncResult(id).get(30)["args"][0] for id in theirs] == list(range(COUNT))
    runs = fleet.ran("echo")
    assert {line["id"] for line in runs} == {*ours, *theirs}
    times = Counter(line["id"] for line in runs)
    assert [line for line in runs if times[line["id"]] > 1] == []
    shares = Counter(line["by"] for line in runs)
    assert shares.keys() == {"umbel", "celery"}, shares


def test_tasks_that_send_tasks_to_the_other_kind(fleet: Fleet, version: str) -> None:
    fleet.umbel("-c", "1", "-Q", "to_umbel", ready=False)
    fleet.celery(version, "-c", "1", "-Q", "to_celery", ready=False)
    with fleet.umbel_client() as app:
        spawn = app.tasks["interop.spawn"]
        one = spawn.apply_async((20, "to_celery"), queue="to_umbel")
        other = spawn.apply_async((20, "to_umbel"), queue="to_celery")
        for result, kind in ((one, "celery"), (other, "umbel")):
            children = result.get(60)
            assert [app.AsyncResult(id).get(30)["args"] for id in children] == [[n] for n in range(20)]
            ran = [line for line in fleet.ran("echo") if line["id"] in children]
            assert {line["by"] for line in ran} == {kind}


def test_a_waiting_queue_is_counted_alike_and_served_by_priority(fleet: Fleet, version: str) -> None:
    client = fleet.celery_client(version)
    with fleet.umbel_client() as app:
        for number in range(10):
            app.tasks["interop.add"].apply_async(("p", str(number)), priority=number)
            client.send("interop.add", args=["p", str(number)], priority=number)
        assert client.depth("celery") == 20
        assert [depth.ready for depth in app.connections.sync_producer.survey(["celery"])] == [20]
        fleet.umbel("-c", "1")
        until(lambda: len(fleet.ran("add")) == 20, 30, what="all ran")
    steps = [max(step for step in (0, 3, 6, 9) if step <= line["priority"]) for line in fleet.ran("add")]
    assert all(one <= other for one, other in pairwise(steps)), steps


def test_what_a_celery_worker_held_when_it_was_stopped_is_run_here(fleet: Fleet, version: str) -> None:
    celery = fleet.celery(version, "-P", "solo")
    with fleet.umbel_client() as app:
        sent = [app.tasks["interop.echo"].delay(n) for n in range(200)]
        until(lambda: fleet.ran("echo"), 30, what="one ran")
        assert celery.stop() == 0
        fleet.umbel("-c", "1")
        assert [one.get(30)["args"] for one in sent] == [[n] for n in range(200)]


def test_what_a_celery_worker_held_when_it_was_killed_is_run_here(
    make_fleet: Callable[..., Fleet], version: str, redis_server: RedisServer | GivenServer, redis_db: int
) -> None:
    # After kombu's visibility timeout, when nobody but Umbel is left to sweep.
    fleet = make_fleet(broker_transport_options={"visibility_timeout": 1}, task_acks_late=True)
    celery = fleet.celery(version, "-P", "solo")
    gate = fleet.folder / "gate"
    with fleet.umbel_client() as app:
        held = app.tasks["interop.custom_state"].delay(str(gate))
        until(lambda: fleet.ran("custom_state"), 30, what="the Celery worker is busy with one")
        waiting = [app.tasks["interop.echo"].delay(n) for n in range(3)]
        celery.process.send_signal(signal.SIGKILL)
        celery.process.wait()
        gate.touch()
        with redis_server.client(redis_db) as client:
            ((_, since),) = client.zrange("unacked_index", -1, -1, withscores=True)
        until(lambda: SYSTEM.now() > since + 1.1, what="the youngest is past its visibility timeout")
        fleet.umbel("-c", "1")
        assert held.get(60) is None
        assert [one.get(60)["args"] for one in waiting] == [[n] for n in range(3)]
    assert [line["by"] for line in fleet.ran("custom_state")] == ["celery", "umbel"]
