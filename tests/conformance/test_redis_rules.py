"""What the Redis broker owes beyond the suite: each rule of its scripts, with a test that fails without it."""

import asyncio
import json
from typing import Any

import pytest

from tests.conformance.redis_rules import ODD, RedisRules
from tests.conformance.redis_site import RedisSite
from umbel.broker.base import Declares
from umbel.broker.redis.channel import Call
from umbel.broker.redis.consumer import RedisConsumer
from umbel.core.delivery import Ack, Begin, Bury, Delivery, Gone, Keep, Park, Release, Settled, Settlement, Want
from umbel.core.queues import Binding, Exchange, Queue
from umbel.core.record import Record
from umbel.drivers.redis import CutOff
from umbel.testing import FakeClock
from umbel.testing.broker_conformance import LEASE, QUEUE, asynchronous, call, names, new_id, success
from umbel.testing.conformance.site import LOSS


class TestClaims(RedisRules):
    @asynchronous
    async def test_a_queue_is_celerys_list_and_its_length_the_depth(self) -> None:
        await self.publish(*[call(f"n{n}") for n in range(3)], call("low", priority=7))
        assert self.run("LLEN", QUEUE) == 3
        assert self.run("LLEN", f"{QUEUE}\x06\x166") == 1
        assert self.run("SMEMBERS", f"_kombu.binding.{QUEUE}") == {f"{QUEUE}\x06\x16\x06\x16{QUEUE}".encode()}

    @asynchronous
    async def test_declared_queues_are_bound_as_celery_binds_them(self) -> None:
        topic, direct = Exchange("media", "topic"), Exchange("work")
        assert isinstance(self.broker, Declares)
        self.broker.declare(
            [
                Queue("videos", topic, "media.video.*"),
                Queue("all", topic, "media.#"),
                Queue("one", direct, "first", bindings=(Binding(direct, "second"),)),
            ]
        )
        await self.consumer("videos", "all")
        self.broker.sync_producer().publish([call("x", queue="one")], deadline=5)
        sep = "\x06\x16"
        video, every = r"media.video.*|^media\.video\.[^\.]+$|videos", r"media.#|^media\..*?$|all"
        assert self.run("SMEMBERS", "_kombu.binding.media") == {
            text.replace("|", sep).encode() for text in (video, every)
        }
        assert self.run("SMEMBERS", "_kombu.binding.work") == {
            f"{key}{sep}{sep}one".encode() for key in ("first", "second")
        }

    @asynchronous
    async def test_what_has_begun_does_not_run_again_after_an_adoption_whose_reply_was_lost(self) -> None:
        await self.publish(call("begun"), call("not"))
        dead = await self.consumer()
        first, _ = await self.claim(dead)
        await self.dispose(dead, first, Begin())
        supervisor, keeper = await self.keeper()
        await keeper.adopt(dead.id, 10)
        assert await supervisor.open(lease=LEASE, width=0) == frozenset()
        other = await self.consumer()
        assert names(await self.claim(other)) == ["not"]
        self.advance(0.001)
        (again,) = await keeper.adopt(None, 10)
        assert (names([again.delivery]), again.begun, again.was == dead.id) == (["begun"], True, False)
        await self.dispose(supervisor, again.delivery, Ack())
        assert await keeper.adopt(None, 10) == []
        assert not [key for key in self.keys() if again.was in key]

    @asynchronous
    async def test_no_script_rewrites_an_element(self) -> None:
        self.run("LPUSH", QUEUE, ODD)
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        await self.dispose(consumer, one, Release())
        assert self.run("LINDEX", QUEUE, 0) == b"\t" + ODD
        (one,) = await self.claim(consumer)
        await self.dispose(consumer, one, Park(self.now(), "rate"))
        (one,) = await self.claim(consumer)
        await self.dispose(consumer, one, Release(loss=LOSS))
        (raw,) = self.run("LRANGE", QUEUE, 0, -1)
        assert raw == b"\r" + ODD
        assert json.loads(raw)["headers"]["n"] == 12345678901234567890
        _, keeper = await self.keeper()
        (one,) = await self.claim(consumer)
        (adopted,) = await keeper.adopt(consumer.id, 1)
        assert adopted.delivery.message is not None
        assert adopted.delivery.message.head == ODD
        assert (adopted.delivery.losses, adopted.delivery.redelivered) == (1, True)

    @asynchronous
    async def test_parking_is_no_redelivery(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        await self.dispose(consumer, one, Park(self.now(), "unknown"))
        (one,) = await self.claim(consumer)
        assert (one.redelivered, one.unknown_since) == (False, self.now())

    @asynchronous
    async def test_what_celery_handed_back_is_redelivered(self) -> None:
        message = json.loads(ODD)
        message["headers"]["redelivered"] = True
        message["properties"]["delivery_info"] = {"exchange": "", "routing_key": QUEUE, "redelivered": True}
        self.run("LPUSH", QUEUE, json.dumps(message))
        (one,) = await self.claim(await self.consumer())
        assert one.redelivered

    @asynchronous
    async def test_losses_outlive_the_way_through_a_celery_worker(self) -> None:
        """Kombu parses and writes the element anew, which drops the mark before it."""
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        await self.dispose(consumer, one, Release(loss=LOSS))
        message = json.loads(self.run("RPOP", QUEUE))
        message["properties"]["delivery_info"]["redelivered"] = True
        self.run("RPUSH", QUEUE, json.dumps(message))
        (one,) = await self.claim(consumer)
        assert one.losses == 1

    @asynchronous
    async def test_a_key_of_another_type_does_not_hold_up_the_other_queues(self) -> None:
        self.run("SET", "wrong", "no list")
        await self.publish(call("one"))
        consumer = await self.consumer("wrong", QUEUE)
        assert names(await self.claim(consumer, 10, "wrong", QUEUE)) == ["one"]
        with pytest.raises(Exception, match="a key of another type") as caught:
            await self.claim(consumer, 10, "wrong", QUEUE)
        assert type(caught.value).__name__ == "BadOperation"

    @asynchronous
    async def test_what_falls_due_for_such_a_key_waits_and_the_others_do_not(self) -> None:
        self.run("SET", "wrong", "no list")
        consumer = await self.consumer()
        await self.publish(call("stuck", queue="was right", due=self.now() + 1), call("next", due=self.now() + 2))
        self.run("SET", "was right", "no list")
        self.advance(3)
        assert names(await self.claim(consumer)) == ["next"]
        self.run("DEL", "was right")
        assert names(await self.claim(consumer, 10, "was right")) == ["stuck"]

    @asynchronous
    async def test_everything_drains_at_the_limit_of_memory(self) -> None:
        await self.publish(*[call(f"n{n}") for n in range(20)])
        consumer = await self.consumer()
        (maxmemory,) = self.run("CONFIG", "GET", "maxmemory").values()
        self.run("CONFIG", "SET", "maxmemory", "1")
        try:
            with pytest.raises(Exception, match="has reached its memory limit"):
                await self.broker.producer().publish([call("more"), call("and", priority=9)], deadline=5)
            with pytest.raises(Exception, match="has reached its memory limit"):
                self.broker.sync_producer().publish([call("more")], deadline=5)
            ops = (self.site.store().compile(record := success("n0")),)
            (one, *rest) = await self.claim(consumer)
            turn = await self.settle(
                consumer,
                Settlement(one.ticket, Ack(), ops=ops),
                Settlement(rest[0].ticket, Bury("failed")),
                Settlement(rest[1].ticket, Park(self.now() + 5)),
                *[Settlement(other.ticket, Ack()) for other in rest[2:]],
            )
            assert {type(verdict) for verdict in turn.verdicts} == {Settled}
            assert record.task_id == "n0"
            await consumer.open(lease=LEASE, width=1)
        finally:
            self.run("CONFIG", "SET", "maxmemory", maxmemory)
        assert (await self.depth()).ready == 0

    @asynchronous
    async def test_order_strategies(self) -> None:
        for strategy, expected in (("round_robin", ["b", "a"]), ("sorted", ["a", "b"]), ("priority", ["a", "b"])):
            self.site.options["queue_order_strategy"] = strategy
            broker = self.site.broker()
            consumer = await self.consumer("a", "b", broker=broker)
            await self.publish(call("a", queue="a"), call("b", queue="b"))
            assert names(await self.claim(consumer, 10, "b", "a")) == expected
            await consumer.close()
            self.run("DEL", "a", "b")

    @asynchronous
    async def test_an_eta_that_celery_knows_waits_where_celery_finds_it(self) -> None:
        later = call("later", due=self.now() + 60)
        later.message.headers.eta = "2030-01-01T00:00:00+00:00"
        await self.publish(later)
        assert self.run("LLEN", QUEUE) == 1

    @asynchronous
    async def test_a_settlement_never_overwrites_success(self) -> None:
        store = self.site.store()
        await self.publish(call("one"), call("two"))
        consumer = await self.consumer()
        one, two = await self.claim(consumer)
        for ticket, state in ((one.ticket, "STARTED"), (one.ticket, "SUCCESS"), (one.ticket, "FAILURE")):
            record = Record(state, state, task_id="one")
            await self.settle(consumer, Settlement(ticket, Keep(), ops=(store.compile(record),)))
            await self.settle(consumer, Settlement(two.ticket, Keep(), ops=(store.compile(record),)))
        assert (await store.read(["one"]))["one"].status == "SUCCESS"

    @asynchronous
    async def test_a_result_is_told_to_those_who_wait_for_it(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        op = self.site.store().compile(success("one"))
        with self.site.client() as client, client.pubsub() as channel:
            channel.subscribe(op[2])
            assert channel.get_message(timeout=10)["type"] == "subscribe"
            await self.settle(consumer, Settlement(one.ticket, Ack(), ops=(op,)))
            assert channel.get_message(timeout=10)["data"] == op[4]
            assert 0 < client.ttl(op[2]) <= 600


class TestLeases(RedisRules):
    @asynchronous
    async def test_after_an_outage_nobody_is_rescued_for_a_lease(self) -> None:
        await self.publish(call("one"))
        held = await self.consumer()
        await self.claim(held)
        supervisor, keeper = await self.keeper()
        self.advance(LEASE * 2)  # nobody could renew: neither the living nor the dead
        await supervisor.renew([])
        assert await keeper.adopt(None, 10) == []
        for _ in range(4):
            self.advance(LEASE / 3)
            await supervisor.renew([])
        assert names([one.delivery for one in await keeper.adopt(None, 10)]) == ["one"]

    @asynchronous
    async def test_a_lease_from_the_future_is_cut_to_size(self) -> None:
        await self.publish(call("one"))
        held = await self.consumer()
        await self.claim(held)
        self.run("ZADD", "umbel:consumers", self.now() + 1e6, held.id)
        supervisor, keeper = await self.keeper()
        for _ in range(5):
            await keeper.adopt(None, 10)
            self.advance(LEASE / 3)
            await supervisor.renew([])
        assert (await keeper.survey([QUEUE]))[0].consumers == 0

    @asynchronous
    async def test_a_settlement_from_before_a_restored_snapshot_touches_nothing(self) -> None:
        await self.publish(call("one"), call("two"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer, 1)
        self.run("DEL", f"umbel:claims:{consumer.id}")  # the snapshot is older than the claim
        assert await consumer.open(lease=LEASE, width=1, holding=[one.ticket]) == frozenset()
        (two,) = await self.claim(consumer, 1)
        turn = await self.settle(consumer, Settlement(one.ticket, Ack()))
        assert type(turn.verdicts[0]).__name__ == "Gone"
        await self.dispose(consumer, two, Ack())

    @asynchronous
    async def test_a_settlement_whose_answer_was_lost_is_known_to_be_done(self) -> None:
        await self.publish(call("one"), call("two"))
        consumer = await self.consumer()
        assert isinstance(consumer, RedisConsumer)
        one, two = await self.claim(consumer)
        settlement = Settlement(one.ticket, Ack(), (call("next"),))
        consumer.channel.patience = 0.0  # the answer is not waited for
        with pytest.raises(CutOff):
            await consumer.exchange([settlement], Want((), 0))
        await self.until_settled(consumer, one)
        assert await consumer.open(lease=LEASE, width=1, holding=[one.ticket, two.ticket]) == {two.ticket}
        turn = await self.settle(consumer, settlement, Settlement(two.ticket, Ack()))
        assert [type(verdict) for verdict in turn.verdicts] == [Settled, Settled]
        turn = await self.settle(consumer, settlement)
        assert [type(verdict) for verdict in turn.verdicts] == [Gone]
        assert self.run("LLEN", QUEUE) == 1

    @asynchronous
    async def test_it_is_not_if_somebody_took_over_meanwhile(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        assert isinstance(consumer, RedisConsumer)
        (one,) = await self.claim(consumer)
        _, keeper = await self.keeper()
        assert len(await keeper.adopt(consumer.id, 1)) == 1
        consumer.channel.patience = 0.0
        with pytest.raises(CutOff):
            await self.settle(consumer, Settlement(one.ticket, Ack()))
        assert await consumer.open(lease=LEASE, width=1, holding=[one.ticket]) == frozenset()
        turn = await self.settle(consumer, Settlement(one.ticket, Ack()))
        assert [type(verdict) for verdict in turn.verdicts] == [Gone]

    async def until_settled(self, consumer: RedisConsumer, one: Delivery) -> None:
        field = f"{one.ticket.generation}:{one.ticket.serial}"
        async with asyncio.timeout(20):
            while self.run("HEXISTS", f"umbel:claims:{consumer.id}", field):
                await asyncio.sleep(0.002)

    @asynchronous
    async def test_who_came_back_before_the_rescue_is_left_alone(self) -> None:
        await self.publish(call("one"))
        late = await self.consumer()
        await self.claim(late)
        supervisor, _ = await self.keeper()
        assert isinstance(supervisor, RedisConsumer)
        generation, serial = supervisor.new_serials(1)
        rescue = Call("adopt", late.id, "", supervisor.id, generation, serial, 1)
        assert await supervisor.channel.run(rescue) == []
        self.site.lapse(late)
        assert len(await supervisor.channel.run(rescue)) == 6

    @asynchronous
    async def test_who_adopts_needs_a_lease(self) -> None:
        await self.publish(call("one"))
        dead = await self.consumer()
        await self.claim(dead)
        supervisor, keeper = await self.keeper()
        self.site.lapse(supervisor)
        with pytest.raises(Exception, match="FENCED"):
            await keeper.adopt(dead.id, 10)
        assert self.run("HLEN", f"umbel:claims:{dead.id}") == 1


def test_a_consumer_that_is_not_open_says_so(redis_server: Any) -> None:
    site = RedisSite(redis_server, FakeClock())
    consumer = site.broker().consumer(new_id(), node="n", queues=(QUEUE,))
    with pytest.raises(Exception, match="not open"):
        asyncio.run(consumer.exchange([], Want((QUEUE,), 1)))
    site.close()
