"""What an older connection still sends when the next one is open must claim nothing and give nothing back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from umbel.broker.redis import RedisBroker
from umbel.broker.redis.channel import Call
from umbel.broker.redis.consumer import RedisConsumer
from umbel.core.delivery import SETTLED, Ack, ConsumerId, Outgoing, Settlement, Want
from umbel.core.message import DeliveryInfo, Headers, Message, Properties

QUEUES = ("celery",)


def message(id: str) -> Outgoing:
    """One call."""
    return Outgoing("celery", Message(Headers("any", id), Properties(id, delivery_info=DeliveryInfo()), b"[[],{},{}]"))


Run = Callable[[Callable[[RedisBroker, RedisConsumer], Awaitable[None]]], None]


@pytest.fixture
def run(redis_url: str) -> Run:
    """Run a scenario with a broker and one of its consumers, open."""

    def run(scenario: Callable[[RedisBroker, RedisConsumer], Awaitable[None]]) -> None:
        async def inside() -> None:
            broker = RedisBroker(redis_url)
            consumer = broker.consumer(ConsumerId("one"), node="here", queues=QUEUES)
            await consumer.open(lease=30.0, width=1)
            await scenario(broker, consumer)
            await consumer.close()
            broker.close()

        asyncio.run(inside())

    return run


def test_a_late_claim_takes_nothing(run: Run) -> None:
    async def scenario(broker: RedisBroker, consumer: RedisConsumer) -> None:
        late = consumer._claim(1, 10)
        await consumer.open(lease=30.0, width=1)
        await broker.producer().publish([message("a")], deadline=5.0)
        await consumer.channel.run(late)
        turn = await consumer.exchange((), Want(QUEUES, 10))
        assert [one.message.headers.id for one in turn.deliveries if one.message] == ["a"]

    run(scenario)


def test_a_late_opening_gives_nothing_back(run: Run) -> None:
    async def scenario(broker: RedisBroker, consumer: RedisConsumer) -> None:
        await broker.producer().publish([message("a")], deadline=5.0)
        late = Call("open", consumer.id, 30.0, 1, "here", 1, consumer._group, "celery", consumer._generation)
        await consumer.open(lease=30.0, width=1)
        turn = await consumer.exchange((), Want(QUEUES, 10))
        held = [one.ticket for one in turn.deliveries]
        assert len(held) == 1
        await consumer.channel.run(late)
        assert await consumer.renew(held) == frozenset(), "what runs must stay claimed"

    run(scenario)


def test_a_lease_renewed_by_another_between_settling_and_claiming(run: Run) -> None:
    """The settlement was refused for a lapsed lease: that must not read as settled by somebody else."""

    async def scenario(broker: RedisBroker, consumer: RedisConsumer) -> None:
        await broker.producer().publish([message("a"), message("b")], deadline=5.0)
        (held,) = (await consumer.exchange((), Want(QUEUES, 1))).deliveries
        channel = consumer.channel
        whole = channel.on

        async def apart(connection: Any, sent: Sequence[Any], timeout: float) -> list[Any]:
            settle, claim = sent
            lapse = ("ZADD", "umbel:consumers", 1, consumer.id)
            renew = ("ZADD", "umbel:consumers", 9_999_999_999, consumer.id)
            _, settled, _, claimed = await whole(connection, [lapse, settle, renew, claim], timeout)
            return [settled, claimed]

        channel.on = apart  # type: ignore[method-assign]
        settlement = Settlement(held.ticket, Ack())
        turn = await consumer.exchange([settlement], Want(QUEUES, 1))
        channel.on = whole  # type: ignore[method-assign]
        assert turn.lost
        assert await consumer.open(lease=30.0, width=1, holding=[held.ticket]) == {held.ticket}
        turn = await consumer.exchange([settlement], Want(QUEUES, 1))
        assert turn.verdicts == [SETTLED]
        assert [one.message.headers.id for one in turn.deliveries if one.message] == ["b"]

    run(scenario)
