"""Exchanges on Redis: what is bound in kombu's tables gets the message, in one step, also out of a settlement."""

import asyncio
from typing import Any

import pytest

from tests.conformance.redis_rules import RedisRules
from umbel.broker.base import Declares
from umbel.broker.redis import RedisBroker
from umbel.core.delivery import Accepted, Ack, Outgoing, Refused, Settled, Settlement
from umbel.core.message import DeliveryInfo
from umbel.core.queues import Broadcast, Exchange, Queue, copy_of
from umbel.testing.broker_conformance import QUEUE, asynchronous, call, names

TOPIC, DIRECT = Exchange("media", "topic"), Exchange("work")
QUEUES = [
    Queue("videos", TOPIC, "media.video.*"),
    Queue("every", TOPIC, "media.#"),
    Queue("ends", TOPIC, "#.end"),
    Queue("one", DIRECT, "first"),
    Queue("two", DIRECT, "first"),
    Queue("other", DIRECT, "second"),
]


def to(exchange: Exchange, key: str, name: str = "x", **options: Any) -> Outgoing:
    outgoing = call(name, queue="", **options)
    outgoing.message.properties.delivery_info = DeliveryInfo(exchange.name, key)
    outgoing.exchange = exchange.type
    return outgoing


class TestExchanges(RedisRules):
    @pytest.fixture(autouse=True)
    def declared(self, _set_up: None) -> None:
        assert isinstance(self.broker, Declares)
        self.broker.declare(QUEUES)

    def got(self) -> set[str]:
        return {queue.name for queue in QUEUES if self.run("LLEN", queue.name)}

    @pytest.mark.parametrize(
        ("exchange", "key", "expected"),
        [
            (TOPIC, "media.video.new", {"videos", "every"}),
            (TOPIC, "media.video.a.b", {"every"}),
            (TOPIC, "media.video", {"every"}),
            (TOPIC, "media", {"every"}),
            (TOPIC, "end", {"ends"}),
            (TOPIC, "media.video.end", {"videos", "every", "ends"}),
            (DIRECT, "first", {"one", "two"}),
            (DIRECT, "second", {"other"}),
        ],
    )
    @asynchronous
    async def test_a_message_goes_to_all_that_are_bound(self, exchange: Exchange, key: str, expected: set[str]) -> None:
        await self.publish(to(exchange, key))
        assert self.got() == expected

    @asynchronous
    async def test_what_only_another_process_has_declared_is_found_too(self) -> None:
        self.run("SADD", "_kombu.binding.theirs", "k\x06\x16\x06\x16away", "k\x06\x16^k$\x06\x16away", "broken")
        await self.publish(to(Exchange("theirs"), "k", priority=7))
        assert self.run("LLEN", "away\x06\x166") == 1, "once, though it is bound twice"

    @asynchronous
    async def test_what_leads_nowhere_is_refused_and_the_rest_goes_out(self) -> None:
        producer = self.broker.sync_producer()
        nowhere, fine = producer.publish([to(DIRECT, "nobody"), to(DIRECT, "first"), call("y")][:2], deadline=5)
        assert isinstance(nowhere, Refused)
        assert "no queue is bound so" in str(nowhere.error)
        assert isinstance(fine, Accepted)
        (alone,) = producer.publish([to(TOPIC, "nobody")], deadline=5)
        assert isinstance(alone, Refused)

    @asynchronous
    async def test_a_server_that_forgot_the_scripts_gets_them_again(self) -> None:
        producer = self.broker.sync_producer()
        for _ in range(2):
            assert {type(one) for one in producer.publish([to(DIRECT, "first"), call("y")], deadline=5)} == {Accepted}
            self.run("SCRIPT", "FLUSH")
        assert self.run("LLEN", "one") == self.run("LLEN", QUEUE) == 2

    @asynchronous
    async def test_a_settlement_publishes_to_an_exchange_or_is_refused_whole(self) -> None:
        consumer = await self.consumer()
        await self.publish(call("a"), call("b"))
        first, second = await self.claim(consumer)
        turn = await self.settle(
            consumer,
            Settlement(first.ticket, Ack(), (to(TOPIC, "media.video.new"),)),
            Settlement(second.ticket, Ack(), (call("c"), to(TOPIC, "nobody"))),
        )
        done, refused = turn.verdicts
        assert isinstance(done, Settled)
        assert self.got() == {"videos", "every"}
        assert isinstance(refused, Refused)
        assert self.run("LLEN", QUEUE) == 0, "nothing of it is done"
        assert self.run("HLEN", f"umbel:claims:{consumer.id}") == 1, "and its message is still claimed"

    @asynchronous
    async def test_a_settlement_publishes_to_those_who_listen(self) -> None:
        consumer = await self.consumer()
        await self.publish(call("a"))
        (one,) = await self.claim(consumer)
        with self.site.client() as client, client.pubsub() as ear:
            ear.subscribe(f"/{self.site.db}.news/key")
            assert ear.get_message(timeout=5)
            await self.settle(consumer, Settlement(one.ticket, Ack(), (to(Exchange("news", "fanout"), "key"),)))
            heard = ear.get_message(timeout=5)
        assert heard is not None
        assert b'"exchange":"news"' in heard["data"]


class TestCopies(RedisRules):
    @asynchronous
    async def test_each_copy_gets_every_message_under_a_tag_of_its_own(self) -> None:
        assert isinstance(self.broker, RedisBroker)
        queue = Broadcast("reload")
        copies = [copy_of("reload", worker) for worker in ("w1", "w2")]
        listening = [asyncio.create_task(self.listen(copy, queue)) for copy in copies]
        await asyncio.gather(*listening)
        await self.publish(to(queue.exchange, "a"), to(queue.exchange, ""))
        tags = set()
        for copy in copies:
            consumer = await self.consumer(copy)
            found: list[Any] = []
            while len(found) < 2:
                found += await self.claim(consumer, 10, copy)
            assert names(found) == ["x", "x"]
            tags |= {one.message.properties.delivery_tag for one in found}
            assert self.run("TTL", copy) in (-2, 86400)
            await consumer.close()
            assert 0 < self.run("TTL", copy) <= 86400, "also when messages come back to it"
        assert len(tags) == 4
        await self.broker.drop(copies)
        assert not self.run("EXISTS", *copies)
        assert self.run("EXISTS", "_kombu.binding.reload") == 0
        for task in self.tasks:
            task.cancel()

    tasks: list[Any]

    async def listen(self, copy: str, queue: Queue) -> None:
        assert isinstance(self.broker, RedisBroker)
        ready = asyncio.Event()
        self.tasks = [*getattr(self, "tasks", []), asyncio.create_task(self.broker.copy({copy: queue}, ready.set))]
        await ready.wait()
