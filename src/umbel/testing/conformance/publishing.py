"""Suites for brokers: producers, and the order in which messages are claimed."""

import pytest

from umbel.core.delivery import Accepted, Refused, Release
from umbel.testing.conformance.site import QUEUE, Suite, asynchronous, call, names


class PublishSuite(Suite):
    """Producers, async and blocking."""

    @asynchronous
    async def test_a_message_arrives_as_it_was_sent(self) -> None:
        sent = call("tasks.add", body=b'[[2, 2], {}, {"chord": null}]')
        sent.message.custom = {"tenant": "blue"}
        sent.message.properties.delivery_tag = "of its own"
        await self.publish(sent)
        (got,) = await self.claim(await self.consumer())
        assert got.message is not None
        assert got.queue == QUEUE
        assert got.message.headers == sent.message.headers
        assert got.message.properties == sent.message.properties
        assert got.message.body == sent.message.body
        assert b'"tenant":"blue"' in got.message.head
        assert (got.losses, got.redelivered, got.unknown_since, got.granted) == (0, False, None, None)

    @asynchronous
    async def test_the_blocking_producer_does_the_same(self) -> None:
        producer = self.broker.sync_producer()
        assert producer.publish([call("one")], deadline=5) == [Accepted()]
        assert producer.publish([call("two"), call("three")], deadline=5) == [Accepted()] * 2
        assert [depth.ready for depth in producer.survey([QUEUE, "other"])] == [3, 0]
        producer.close()
        assert names(await self.drain(await self.consumer())) == ["one", "two", "three"]

    @pytest.mark.parametrize("blocking", [True, False])
    @asynchronous
    async def test_a_message_that_cannot_be_encoded_is_refused_alone(self, blocking: bool) -> None:
        bad = call("bad")
        bad.message.custom = {"what": object()}
        batch = [call("one"), bad, call("two")]
        if blocking:
            receipts = self.broker.sync_producer().publish(batch, deadline=5)
        else:
            receipts = await self.broker.producer().publish(batch, deadline=5)
        assert [type(receipt) for receipt in receipts] == [Accepted, Refused, Accepted]
        assert names(await self.drain(await self.consumer())) == ["one", "two"]

    @asynchronous
    async def test_nothing_to_publish_is_no_error(self) -> None:
        assert await self.broker.producer().publish([], deadline=5) == []

    @asynchronous
    async def test_what_one_process_publishes_another_claims(self) -> None:
        other = self.site.broker()
        await self.publish(call("one"))
        assert names(await self.claim(await self.consumer(broker=other))) == ["one"]
        await self.close_all()
        other.close()


class OrderSuite(Suite):
    """What is claimed first."""

    @asynchronous
    async def test_first_in_first_out_within_a_priority(self) -> None:
        await self.publish(*[call(f"n{n}") for n in range(300)])
        assert names(await self.drain(await self.consumer())) == [f"n{n}" for n in range(300)]

    @asynchronous
    async def test_a_more_urgent_priority_is_claimed_sooner(self) -> None:
        sent = (3, 0, 9, 5, 1, 7, 2, 8, 6, 4, None)
        await self.publish(*[call(f"p{p}", priority=p) for p in sent])
        expected = [f"p{p}" for p in sorted(sent, key=self.urgency)]
        assert names(await self.drain(await self.consumer())) == expected

    @asynchronous
    async def test_queues_are_taken_in_the_order_wanted(self) -> None:
        await self.publish(call("a1", queue="a"), call("b1", queue="b"), call("a2", queue="a"))
        consumer = await self.consumer("a", "b")
        assert names(await self.claim(consumer, 2, "b", "a")) == ["b1", "a1"]
        assert names(await self.claim(consumer, 2, "b", "a")) == ["a2"]

    @asynchronous
    async def test_other_queues_are_left_alone(self) -> None:
        await self.publish(call("one", queue="other"))
        assert await self.claim(await self.consumer()) == []

    @asynchronous
    async def test_what_is_released_to_the_front_keeps_its_place(self) -> None:
        await self.publish(*[call(name, priority=self.urgent(0)) for name in ("one", "two", "three")])
        await self.publish(call("high", priority=self.urgent(5)))
        consumer = await self.consumer()
        high, one, two = await self.claim(consumer, 3)
        await self.dispose(consumer, two, Release())
        await self.dispose(consumer, one, Release())
        await self.dispose(consumer, high, Release())
        assert names(await self.drain(consumer)) == ["high", "one", "two", "three"]

    @asynchronous
    async def test_what_is_released_to_the_back_waits_behind_the_others(self) -> None:
        await self.publish(call("one"), call("two"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer, 1)
        await self.dispose(consumer, one, Release(front=False))
        assert names(await self.drain(consumer)) == ["two", "one"]

    @asynchronous
    async def test_one_claim_is_bounded_in_messages_and_bytes(self) -> None:
        await self.publish(*[call("small") for _ in range(600)])
        consumer = await self.consumer()
        assert len(await self.claim(consumer, 10_000)) <= 256
        await self.publish(*[call("large", queue="large", body=b"x" * 400_000) for _ in range(4)])
        assert 1 <= len(await self.claim(consumer, 100, "large")) <= 3
        await self.publish(call("huge", queue="huge", body=b"x" * 3_000_000))
        assert len(await self.claim(consumer, 100, "huge")) == 1

    @asynchronous
    async def test_a_claim_takes_no_more_than_wanted(self) -> None:
        await self.publish(*[call("one") for _ in range(5)])
        consumer = await self.consumer()
        assert len(await self.claim(consumer, 0)) == 0
        assert len(await self.claim(consumer, 2)) == 2
        assert len(await self.claim(consumer, 100)) == 3
