"""Waking up without waking all, what is left behind, and the way back to Celery, on Redis."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.redis_rules import ODD, RedisRules
from tests.conformance.redis_site import RedisSite
from umbel.broker.base import RenewFor
from umbel.broker.redis.channel import Call
from umbel.broker.redis.consumer import RedisConsumer
from umbel.broker.redis.keeper import RedisKeeper
from umbel.core.delivery import Ack, Bury, Keep, Park, Release, Settlement
from umbel.runtime.clock import SYSTEM
from umbel.testing.broker_conformance import QUEUE, asynchronous, call, names
from umbel.testing.conformance.site import LOSS


class TestWaiters(RedisRules):
    PATIENCE = 20.0

    def make_site(self, folder: Path) -> RedisSite:
        return RedisSite(self.server, SYSTEM)

    async def waiting(self, count: int) -> list[tuple[RedisConsumer, "asyncio.Task[None]"]]:
        found = []
        for place in range(count):
            consumer = await self.consumer()
            assert isinstance(consumer, RedisConsumer)
            assert await self.claim(consumer) == []
            if not consumer._tracks:
                pytest.skip("this server pushes nothing: everybody polls")
            found.append((consumer, asyncio.create_task(consumer.wait(self.PATIENCE))))
            await self.until(lambda place=place: self.places() == place + 1)
        return found

    def places(self) -> int:
        armed = self.run("KEYS", "umbel:armed:*")
        parked = self.run("KEYS", "umbel:idle:*")
        return sum(int(self.run("ZCARD", key)) for key in [*armed, *parked])

    async def until(self, fact: Any) -> None:
        async with asyncio.timeout(self.PATIENCE):
            while not fact():
                await asyncio.sleep(0.002)

    @asynchronous
    async def test_at_most_two_are_woken_and_the_next_is_poked(self) -> None:
        waiters = await self.waiting(6)
        await self.publish(call("one"))
        await self.until(lambda: sum(task.done() for _, task in waiters) >= 2)
        await asyncio.sleep(0.05)
        woken = [consumer for consumer, task in waiters if task.done()]
        assert len(woken) == 2
        got = [names(await self.claim(consumer)) for consumer in woken]
        assert sorted(got) == [[], ["one"]]
        await self.until(lambda: sum(task.done() for _, task in waiters) == 3)  # the one that got it left its place
        for _, task in waiters:
            task.cancel()

    @asynchronous
    async def test_who_leaves_work_behind_pokes_the_next(self) -> None:
        waiters = await self.waiting(5)
        await self.publish(*[call(f"n{n}") for n in range(5)])
        found: list[str] = []

        async def one_each(consumer: RedisConsumer, task: "asyncio.Task[None]") -> None:
            await task
            found.extend(names(await self.claim(consumer, 1)))

        async with asyncio.timeout(self.PATIENCE / 2):
            await asyncio.gather(*[one_each(*waiter) for waiter in waiters])
        assert sorted(found) == [f"n{n}" for n in range(5)]

    @asynchronous
    async def test_a_dead_waiters_place_is_given_on(self) -> None:
        (first, one), (_, two), (_, three) = await self.waiting(3)
        one.cancel()
        two.cancel()
        _, keeper = await self.keeper()
        assert await keeper.adopt(first.id, 1) == []
        await asyncio.wait_for(three, self.PATIENCE / 2)

    @asynchronous
    async def test_what_a_consumer_publishes_itself_ends_its_wait_too(self) -> None:
        """Its own connection is not told of it, and stops tracking the list without a word."""
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        await consumer.wait(0.02)
        await self.settle(consumer, Settlement(one.ticket, Keep(), (call("next"),)))
        await asyncio.wait_for(consumer.wait(self.PATIENCE * 2), self.PATIENCE)
        assert names(await self.claim(consumer)) == ["next"]

    @asynchronous
    async def test_an_idle_consumer_is_silent(self) -> None:
        ((consumer, waiting),) = await self.waiting(1)
        waiting.cancel()
        await consumer.wait(0.05)
        before = self.run("INFO", "commandstats")["cmdstat_evalsha"]["calls"]
        for _ in range(5):
            await consumer.wait(0.02)
        assert self.run("INFO", "commandstats")["cmdstat_evalsha"]["calls"] == before

    @asynchronous
    async def test_without_tracking_it_polls(self) -> None:
        consumer = await self.consumer()
        assert isinstance(consumer, RedisConsumer)
        consumer._tracks = False
        await self.claim(consumer)
        waiting = asyncio.create_task(consumer.wait(self.PATIENCE * 10))
        await self.publish(call("one"))
        await asyncio.wait_for(waiting, self.PATIENCE)
        assert names(await self.claim(consumer)) == ["one"]


class TestLeavings(RedisRules):
    @asynchronous
    async def test_every_key_expires_or_belongs_to_something_alive(self) -> None:
        await self.publish(*[call(f"n{n}") for n in range(6)], call("later", due=self.now() + 5))
        consumer = await self.consumer()
        one, two, three, four, five, six = await self.claim(consumer)
        await self.dispose(consumer, one, Release(loss=LOSS))
        await self.dispose(consumer, two, Park(self.now() + 1, "rate"))
        sides = {key for key in self.keys() if ":lost:" in key}
        assert len(sides) == 2
        assert all(self.run("TTL", key) > 0 for key in sides)
        await self.dispose(consumer, three, Bury("failed", loss=LOSS))
        await self.dispose(consumer, four, Park(self.now() + 1, "unknown"))
        await self.dispose(consumer, five, Ack())
        _, keeper = await self.keeper()
        await keeper.slots("a", 1.0, 1)
        self.advance(10)
        await self.drain(consumer)
        await self.dispose(consumer, six, Ack())
        assert isinstance(keeper, RenewFor)
        for each in self._consumers:
            await each.close()
        lasting = {key for key in self.keys() if self.run("TTL", key) == -1}
        assert lasting == {f"_kombu.binding.{QUEUE}"}
        assert not [key for key in self.keys() if ":lost:" in key]

    @asynchronous
    async def test_the_last_to_leave_gives_delayed_messages_back_to_celery(self) -> None:
        self.run("SADD", "_kombu.binding.celery.pidbox", "a Celery worker was here")
        await self.publish(call("one"))
        first, last = await self.consumer(), await self.consumer()
        (one,) = await self.claim(first)
        await self.dispose(first, one, Park(self.now() + 3600))
        await first.close()
        assert self.run("LLEN", QUEUE) == 0
        await last.close()
        assert self.run("LLEN", QUEUE) == 1
        assert not {key for key in self.keys() if key.startswith("umbel:delayed") or key == "umbel:next"}

    @asynchronous
    async def test_what_a_lost_celery_worker_held_comes_back(self) -> None:
        for tag, age, exchange, key in (
            ("old", 4000, "", QUEUE),
            ("new", 10, "", QUEUE),
            ("bound", 4000, "media", "media.video.hd"),
        ):
            message = json.loads(ODD)
            message["headers"]["id"] = message["properties"]["delivery_tag"] = tag
            self.run("HSET", "unacked", tag, json.dumps([message, exchange, key]))
            self.run("ZADD", "unacked_index", self.now() - age, tag)
        pattern = r"^media\.video\..*?[^\.]$"
        self.run("SADD", "_kombu.binding.media", "\x06\x16".join(("media.video.*", pattern, "videos")))
        consumer, keeper = await self.keeper()
        await keeper.prune()
        (one,) = await self.claim(consumer)
        assert one.message is not None
        assert (one.message.headers.id, one.redelivered, one.message.headers.task) == ("old", True, "t")
        assert b"12345678901234567890" in one.message.head
        assert len(await self.claim(consumer, 10, "videos")) == 1
        assert self.run("HKEYS", "unacked") == [b"new"]
        assert self.run("ZRANGE", "unacked_index", 0, -1) == [b"new"]

    @asynchronous
    async def test_delayed_messages_of_one_queue_are_hastened_from_among_many_a_few_thousand_at_a_time(self) -> None:
        """Each run keeps the server from everybody else. Others may take away what was looked at meanwhile."""
        others = {f"other\0{n}": self.now() + 10_000 + n // 100 for n in range(12_000)}
        self.run("ZADD", "umbel:delayed", *(word for name, due in others.items() for word in (due, name)))
        for n in (1, 2, 3):
            await self.publish(call(f"n{n}", due=self.now() + 20_000 + n))
        consumer, keeper = await self.keeper()
        assert isinstance(keeper, RedisKeeper)
        run, runs = keeper._run, list[str]()

        async def counted(name: str, *args: Any) -> Any:
            runs.append(name)
            return await run(name, *args)

        keeper._run = counted  # type: ignore[method-assign]
        assert await keeper.hasten(QUEUE, 1) == 1
        assert runs == ["hasten"] * 3
        self.run("ZREMRANGEBYRANK", "umbel:delayed", 0, 9_000)
        self.run("ZREM", "umbel:delayed", "other\x0011999")
        assert await keeper.hasten(QUEUE, 10) == 2
        assert await keeper.hasten(QUEUE, 10) == 0
        assert names(await self.claim(consumer, 10)) == ["n2", "n3", "n1"]

    @asynchronous
    async def test_what_cannot_be_given_back_to_its_queue_does_not_hold_up_the_rest(self) -> None:
        """Entries that nobody can read, and one for a queue in whose place is something else; they stay."""
        self.run("SET", "taken", "no list")
        message = json.loads(ODD)
        for n in range(150):
            self.run("HSET", "unacked", f"bad{n}", json.dumps([message, "", "taken"]) if n == 30 else "no JSON")
            self.run("ZADD", "unacked_index", self.now() - 5000 + n, f"bad{n}")
        for n in range(120):
            self.run("HSET", "unacked", f"good{n}", json.dumps([message, "", QUEUE]))
            self.run("ZADD", "unacked_index", self.now() - 4000 + n, f"good{n}")
        _, keeper = await self.keeper()
        for _ in range(3):
            await keeper.prune()
        assert self.run("LLEN", QUEUE) == 120
        self.run("HSET", "unacked", "bad0", json.dumps([message, "", QUEUE]))
        for _ in range(2):
            await keeper.prune()
        assert self.run("LLEN", QUEUE) == 121
        assert self.run("HLEN", "unacked") == self.run("ZCARD", "unacked_index") == 149

    @asynchronous
    async def test_what_a_celery_worker_acknowledges_meanwhile_does_not_come_back(self) -> None:
        consumer = await self.consumer()
        assert isinstance(consumer, RedisConsumer)
        self.run("HSET", "unacked", "tag", "another entry")
        restore = Call("restore", "unacked", "unacked_index", "tag", "the entry that was read", QUEUE, "element")
        assert await consumer.channel.run(restore) == 0
        assert self.run("LLEN", QUEUE) == 0
