"""Suite for brokers: waking up."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from umbel.broker.base import Consumer
from umbel.core.delivery import Ack, Release, Revocation, Settlement
from umbel.testing.conformance.site import Suite, asynchronous, call, names


class WaitSuite(Suite):
    """Waking up. These tests run on the machine's clock: they wait for the event itself, at most ``PATIENCE``."""

    PATIENCE = 20.0

    async def wakes(self, consumer: Consumer, act: Callable[[], Awaitable[object]]) -> None:
        """``act`` ends a wait that would otherwise last too long for the test."""
        waiting = asyncio.create_task(consumer.wait(self.PATIENCE * 10))
        await asyncio.sleep(0)
        await act()
        async with asyncio.timeout(self.PATIENCE):
            await waiting

    @asynchronous
    async def test_a_message_ends_the_wait(self) -> None:
        consumer = await self.consumer()
        await self.claim(consumer)
        await self.wakes(consumer, lambda: self.publish(call("one")))
        assert names(await self.claim(consumer)) == ["one"]

    @asynchronous
    async def test_a_message_of_another_process_ends_the_wait(self) -> None:
        other = self.site.broker()
        consumer = await self.consumer()
        await self.claim(consumer)

        async def publish() -> None:
            other.sync_producer().publish([call("one")], deadline=5)

        await self.wakes(consumer, publish)
        other.close()

    @asynchronous
    async def test_what_came_since_the_last_exchange_ends_the_wait_at_once(self) -> None:
        consumer = await self.consumer()
        await self.claim(consumer)
        await self.publish(call("one"))
        async with asyncio.timeout(self.PATIENCE):
            await consumer.wait(self.PATIENCE * 10)
            await consumer.wait(self.PATIENCE * 10)

    @asynchronous
    async def test_what_it_published_itself_ends_the_wait(self) -> None:
        consumer = await self.consumer()
        await self.publish(call("one"))
        (one,) = await self.claim(consumer)
        await self.claim(consumer)
        await consumer.wait(0.01)
        await self.settle(consumer, Settlement(one.ticket, Ack(), (call("next"),)))
        async with asyncio.timeout(self.PATIENCE):
            await consumer.wait(self.PATIENCE * 10)

    @asynchronous
    async def test_a_release_of_another_ends_the_wait(self) -> None:
        first, second = await self.consumer(), await self.consumer()
        await self.publish(call("one"))
        (one,) = await self.claim(first)
        await self.claim(second)
        await self.wakes(second, lambda: self.dispose(first, one, Release()))

    @asynchronous
    async def test_a_follow_up_of_another_ends_the_wait(self) -> None:
        first, second = await self.consumer(), await self.consumer()
        await self.publish(call("one"))
        (one,) = await self.claim(first)
        await self.claim(second)
        await self.wakes(second, lambda: self.settle(first, Settlement(one.ticket, Ack(), (call("next"),))))

    @asynchronous
    async def test_a_due_time_ends_the_wait(self) -> None:
        consumer = await self.consumer()
        await self.publish(call("soon", due=self.now() + 0.5))
        await self.claim(consumer)
        async with asyncio.timeout(self.PATIENCE):
            await consumer.wait(self.PATIENCE * 10)
        assert names(await self.claim(consumer)) == ["soon"]

    @asynchronous
    async def test_a_due_time_that_another_sets_ends_the_wait(self) -> None:
        consumer = await self.consumer()
        await self.publish(call("much later", due=self.now() + 1000))
        await self.claim(consumer)
        await self.wakes(consumer, lambda: self.publish(call("soon", due=self.now() + 0.05)))

    @asynchronous
    async def test_a_revocation_ends_the_wait(self) -> None:
        consumer = await self.consumer()
        _, keeper = await self.keeper()
        await self.claim(consumer)
        await self.wakes(consumer, lambda: keeper.revoke([Revocation("one")], expires=60))

    @asynchronous
    async def test_a_wait_ends_after_its_time(self) -> None:
        consumer = await self.consumer()
        await self.claim(consumer)
        async with asyncio.timeout(self.PATIENCE):
            await consumer.wait(0.01)

    @asynchronous
    async def test_a_wait_may_be_cancelled(self) -> None:
        consumer = await self.consumer()
        await self.claim(consumer)
        waiting = asyncio.create_task(consumer.wait(self.PATIENCE * 10))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await self.publish(call("one"))
        assert names(await self.claim(consumer)) == ["one"]
