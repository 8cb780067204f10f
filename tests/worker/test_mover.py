"""Carrying messages from one broker to another: everything arrives, in order, also after a kill in the middle."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from umbel import Umbel
from umbel.broker.base import Broker
from umbel.broker.lookup import open_broker
from umbel.core.delivery import ConsumerId, Want
from umbel.worker.mover import Mover

Open = Callable[[str], Broker]


@pytest.fixture
def open_at(tmp_path: Path) -> Open:
    return lambda name: open_broker(f"sqlite:///{tmp_path / name}.db")


def taken(broker: Broker, queue: str) -> list[str]:
    """The ids that wait in a queue, delayed ones too, in order; they stay claimed."""

    async def take() -> list[str]:
        consumer = broker.consumer(ConsumerId("reader"), node="reader", queues=())
        keeper = broker.keeper(consumer)
        await consumer.open(lease=30, width=0)
        found: list[str] = []
        while True:
            turn = await consumer.exchange([], Want((queue,), 256))
            found += [one.message.headers.id for one in turn.deliveries if one.message]
            if not turn.deliveries and not await keeper.hasten(queue, 256):
                break
        await keeper.close()
        return found

    return asyncio.run(take())


def filled(path: Path, count: int) -> list[str]:
    """A broker with so many messages of two tasks, the last one delayed."""
    with Umbel("source", broker=f"sqlite:///{path / 'source.db'}", set_as_current=False) as app:
        with app.bulk():
            ids = [app.send_task(f"t.{'ab'[i % 2]}", (i,), headers={"mine": i}).id for i in range(count)]
        return [*ids, app.send_task("t.a", countdown=3600).id]


def test_all_of_it_in_order(tmp_path: Path, open_at: Open) -> None:
    ids = filled(tmp_path, 250)
    mover = Mover(open_at("source"), open_at("target"), renamed={"celery": "other"})
    assert asyncio.run(mover.run()) == 251
    survey = {depth.queue: depth for depth in open_at("target").sync_producer().survey(["celery", "other"])}
    assert (survey["other"].ready, survey["other"].delayed, survey["celery"].ready) == (250, 1, 0)
    assert taken(open_at("target"), "other") == ids
    assert taken(open_at("source"), "celery") == []


def test_only_some_tasks_and_only_so_many(tmp_path: Path, open_at: Open) -> None:
    ids = filled(tmp_path, 20)
    mover = Mover(open_at("source"), open_at("target"), renamed={"celery": "celery"}, wanted=lambda task: task == "t.b")
    assert asyncio.run(mover.run(limit=4)) == 4
    assert taken(open_at("target"), "celery") == ids[1:9:2]
    left = taken(open_at("source"), "celery")
    assert sorted(left) == sorted(set(ids) - set(ids[1:9:2]))


def test_a_kill_in_the_middle_loses_nothing(tmp_path: Path, open_at: Open) -> None:
    ids = filled(tmp_path, 1500)
    source, target = f"sqlite:///{tmp_path / 'source.db'}", f"sqlite:///{tmp_path / 'target.db'}"
    code = (
        "import asyncio, os, signal, sys\n"
        "from umbel.broker.lookup import open_broker\n"
        "from umbel.worker.mover import Mover\n"
        "class Killed(Mover):\n"
        "    async def _carry(self, consumer, producer, queue, going):\n"
        "        if self.moved >= 500:\n"
        "            consumer.exchange = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        await super()._carry(consumer, producer, queue, going)\n"
        "mover = Killed(open_broker(sys.argv[1]), open_broker(sys.argv[2]), renamed={'celery': 'celery'})\n"
        "asyncio.run(mover.run())\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, source, target], check=False)
    assert killed.returncode == -9
    rescue = Mover(open_at("source"), open_at("target"), renamed={"celery": "celery"})

    async def finish() -> None:
        consumer = open_at("source").consumer(ConsumerId("rescuer"), node="n", queues=())
        await consumer.open(lease=30, width=0)
        keeper = open_at("source").keeper(consumer)
        adopted = await keeper.adopt(None, 1000)
        assert len(adopted) == 100
        await consumer.close()
        await rescue.run()

    asyncio.run(finish())
    arrived = taken(open_at("target"), "celery")
    assert set(arrived) == set(ids)
    assert len(arrived) - len(ids) == 100, "those that had arrived and were not acknowledged yet came twice"
