"""Tasks longer than their lease, and tasks that are due far ahead: run once (G4, G7)."""

import asyncio
from collections.abc import Callable

import pytest

from tests.redis.load import Load
from tests.worker.fleet import until
from umbel.broker.redis import RedisBroker
from umbel.core.delivery import Ack, ConsumerId, Outgoing, Park, Settlement, Want
from umbel.core.message import DeliveryInfo, Headers, Message, Properties
from umbel.core.options import timestamp
from umbel.testing import FakeClock

QUEUES = ("celery",)
AHEAD = 7200.0


@pytest.mark.parametrize("lease", [0.2, 0.4])
def test_a_task_of_many_leases_runs_once(load_at: Callable[..., Load], redis_url: str, lease: float) -> None:
    load = load_at(redis_url, worker_lease=lease)
    load.farm.worker("-c", "1")
    load.farm.worker("-c", "1")
    load.call("sleeps", args=(3,))
    load.call("sleeps-too", args=(3,))
    verdict = load.drain()
    assert verdict.problems() == []
    assert verdict.duplicates == 0


def test_a_task_that_keeps_everything_from_running_runs_once(load_at: Callable[..., Load], redis_url: str) -> None:
    """It holds the interpreter lock for several leases: its supervisor renews for it."""
    load = load_at(redis_url, worker_lease=1)
    load.farm.worker("-c", "1")
    load.farm.worker("-c", "1")
    load.call("busy", task="c_for_seconds", args=(25,))
    verdict = load.drain()
    assert verdict.problems() == []
    assert verdict.duplicates == 0


def test_a_far_eta_waits_in_redis_while_workers_come_and_go(load: Load) -> None:
    load.farm.send("quick", "far", countdown=AHEAD)
    for number in range(2):
        worker = load.farm.worker("-c", "1")
        assert load.farm.send("add", number, 1).get(timeout=20) == number + 1
        until(lambda: load.look.zcard("umbel:delayed") == 1)
        assert load.look.llen("celery") == 0
        assert load.farm.depth().delayed == 1
        assert worker.stop() == 0
    assert not load.farm.lines("start", "far")


async def claimed(broker: RedisBroker, name: str) -> list[Settlement]:
    """One short life of a consumer: it claims, parks what is not due yet and acknowledges what is."""
    consumer = broker.consumer(ConsumerId(name), node=name, queues=QUEUES)
    await consumer.open(lease=30.0, width=1)
    turn = await consumer.exchange((), Want(QUEUES, 10))
    settlements = []
    for one in turn.deliveries:
        assert one.message is not None
        due = timestamp(one.message.headers.eta or "")
        later = due > broker._clock.now()
        settlements.append(Settlement(one.ticket, Park(due) if later else Ack()))
    await consumer.exchange(settlements, Want(QUEUES, 0))
    await consumer.close()
    return settlements


def test_an_eta_two_hours_ahead_runs_once_and_on_time(redis_url: str) -> None:
    """The scripts take the test's time."""
    clock = FakeClock(1_800_000_000.0)
    broker = RedisBroker(redis_url, clock=clock)
    headers = Headers("any", "far", eta="2027-01-15T10:00:00+00:00")
    assert timestamp(headers.eta or "") == clock.now() + AHEAD
    message = Message(headers, Properties("far", delivery_info=DeliveryInfo("", "celery")), b"[[], {}, {}]")

    async def scenario() -> None:
        await broker.producer().publish([Outgoing("celery", message, clock.now() + AHEAD)], deadline=5.0)
        (parked,) = await claimed(broker, "first")
        assert isinstance(parked.disposition, Park)
        clock.advance(AHEAD - 1)
        assert await claimed(broker, "second") == [], "not a second too soon"
        clock.advance(1)
        (run,) = await claimed(broker, "third")
        assert isinstance(run.disposition, Ack)
        clock.advance(AHEAD)
        assert await claimed(broker, "fourth") == []

    asyncio.run(scenario())
    broker.close()
