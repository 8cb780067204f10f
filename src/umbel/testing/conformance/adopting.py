"""Suites for brokers: what the dead leave, and leases by the clock."""

import pytest

from umbel.broker.base import Admin, RenewFor
from umbel.core.delivery import Ack, Adopted, Begin, Bury, ConsumerId, Gone, Release, Settled, Settlement, Want
from umbel.testing.conformance.site import LEASE, LOSS, QUEUE, Suite, asynchronous, call, names, new_id, success


class AdoptSuite(Suite):
    """What the dead leave."""

    @asynchronous
    async def test_the_claims_of_the_dead_are_adopted_oldest_first(self) -> None:
        await self.publish(*[call(f"n{n}") for n in range(7)])
        dead = await self.consumer(width=2)
        held = await self.claim(dead)
        await self.dispose(dead, held[2], Begin())
        supervisor, keeper = await self.keeper()
        adopted = await keeper.adopt(dead.id, 4)
        adopted += await keeper.adopt(dead.id, 4)
        assert await keeper.adopt(dead.id, 4) == []
        assert names([one.delivery for one in adopted]) == [f"n{n}" for n in range(7)]
        assert [one.rank for one in adopted] == list(range(7))
        assert [one.serial for one in adopted] == [one.ticket.serial for one in held]
        assert [one.begun for one in adopted] == [n == 2 for n in range(7)]
        assert {(one.was, one.width, one.node, one.stopping) for one in adopted} == {(dead.id, 2, "n1", False)}
        assert {one.delivery.ticket.consumer for one in adopted} == {supervisor.id}
        assert len({one.delivery.ticket for one in adopted}) == 7

    @asynchronous
    async def test_who_was_adopted_from_can_do_nothing_any_more(self) -> None:
        store = self.site.store()
        await self.publish(call("one"), call("two"), call("three"))
        dead = await self.consumer()
        one, two = await self.claim(dead, 2)
        supervisor, keeper = await self.keeper()
        (first,) = await keeper.adopt(dead.id, 1)
        late = [
            Settlement(ticket, Ack(), (call("never"),), (store.compile(success("one")),))
            for ticket in (one.ticket, two.ticket)
        ]
        turn = await dead.exchange(late, Want((QUEUE,), 10))
        assert [type(verdict) for verdict in turn.verdicts] == [Gone, Gone]
        assert turn.lost
        assert turn.deliveries == []
        assert await dead.renew([one.ticket, two.ticket]) == {one.ticket, two.ticket}
        (second,) = await keeper.adopt(dead.id, 10)
        assert await keeper.adopt(dead.id, 10) == []
        turn = await dead.exchange(late, Want((QUEUE,), 10))
        assert (turn.lost, turn.deliveries) == (True, [])
        assert await store.read(["one"]) == {}
        for adopted in (first, second):
            await self.dispose(supervisor, adopted.delivery, Ack())
        depth = await self.depth()
        assert (depth.ready, depth.claimed) == (1, 0)

    @asynchronous
    async def test_who_was_adopted_from_may_come_back_with_nothing(self) -> None:
        await self.publish(call("one"), call("two"))
        late = await self.consumer()
        (one,) = await self.claim(late, 1)
        supervisor, keeper = await self.keeper()
        (adopted,) = await keeper.adopt(late.id, 10)
        assert await keeper.adopt(late.id, 10) == []
        assert await late.open(lease=LEASE, width=1, holding=[one.ticket]) == frozenset()
        (two,) = await self.claim(late)
        await self.dispose(late, two, Ack())
        await self.dispose(supervisor, adopted.delivery, Ack())

    @asynchronous
    async def test_adopted_messages_are_settled_like_any_other(self) -> None:
        await self.publish(*[call(f"n{n}") for n in range(4)])
        dead = await self.consumer()
        await self.claim(dead)
        supervisor, keeper = await self.keeper()
        adopted = await keeper.adopt(dead.id, 10)
        tickets = [one.delivery.ticket for one in adopted]
        turn = await self.settle(
            supervisor,
            Settlement(tickets[0], Release(loss=LOSS)),
            Settlement(tickets[1], Release()),
            Settlement(tickets[2], Bury("lost", loss=LOSS)),
            Settlement(tickets[3], Ack()),
        )
        assert [type(verdict) for verdict in turn.verdicts] == [Settled] * 4
        back = await self.claim(await self.consumer())
        assert names(back) == ["n0", "n1"]
        assert [one.losses for one in back] == [1, 0]

    @asynchronous
    async def test_a_mark_of_begin_is_cleared_by_release(self) -> None:
        await self.publish(call("one"))
        dead = await self.consumer()
        (one,) = await self.claim(dead)
        await self.dispose(dead, one, Begin())
        await self.dispose(dead, one, Release())
        await self.claim(dead)
        _, keeper = await self.keeper()
        (adopted,) = await keeper.adopt(dead.id, 10)
        assert not adopted.begun

    @asynchronous
    async def test_what_lapsed_is_found_without_a_name(self) -> None:
        await self.publish(call("one"), call("two"), call("three"))
        live, dead = await self.consumer(), await self.consumer()
        await self.claim(live, 1)
        held = await self.claim(dead, 1)
        supervisor, keeper = await self.keeper()
        assert await keeper.adopt(None, 10) == []
        self.site.lapse(dead)
        await live.renew([])
        await supervisor.renew([])
        adopted = await self._adopt_all(keeper, None)
        assert [one.was for one in adopted] == [dead.id]
        assert [one.serial for one in adopted] == [held[0].ticket.serial]
        assert (await self.depth()).consumers == 1

    @asynchronous
    async def test_a_late_claim_of_the_dead_is_refused(self) -> None:
        await self.publish(call("one"))
        dead = await self.consumer()
        supervisor, keeper = await self.keeper()
        self.site.lapse(dead)
        await supervisor.renew([])
        assert await self._adopt_all(keeper, None) == []
        turn = await dead.exchange([], Want((QUEUE,), 10))
        assert (turn.lost, turn.deliveries) == (True, [])
        assert (await self.depth()).ready == 1

    @asynchronous
    async def test_a_consumer_that_never_was_leaves_nothing(self) -> None:
        _, keeper = await self.keeper()
        assert await keeper.adopt(new_id(), 10) == []

    @asynchronous
    async def test_who_only_looks_cannot_adopt(self) -> None:
        keeper = self.broker.keeper(self.broker.consumer(new_id(), node="n", queues=()))
        assert (await keeper.survey([QUEUE]))[0].ready == 0
        with pytest.raises(RuntimeError, match="not open"):
            await keeper.adopt(None, 10)

    async def _adopt_all(self, keeper: Admin, dead: ConsumerId | None) -> list[Adopted]:
        found: list[Adopted] = []
        while batch := await keeper.adopt(dead, 10):
            found += batch
        return found


class ClockLeaseSuite(Suite):
    """For adapters whose leases are counted by the clock (``features.liveness == "clock"``)."""

    @asynchronous
    async def test_a_lease_that_lapsed_settles_and_claims_nothing(self) -> None:
        store = self.site.store()
        await self.publish(call("one"), call("two"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer, 1)
        self.advance(LEASE + 1)
        late = Settlement(one.ticket, Ack(), (call("never"),), (store.compile(success("one")),))
        turn = await consumer.exchange([late], Want((QUEUE,), 10))
        assert turn.lost
        assert turn.deliveries == []
        assert [type(verdict) for verdict in turn.verdicts] == [Gone]
        assert await store.read(["one"]) == {}

    @asynchronous
    async def test_an_outage_longer_than_the_lease_costs_nothing_if_nobody_adopted(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        self.advance(LEASE * 3)
        assert await consumer.open(lease=LEASE, width=1, holding=[one.ticket]) == {one.ticket}
        await self.dispose(consumer, one, Ack())

    @asynchronous
    async def test_every_exchange_renews(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        for _ in range(5):
            self.advance(LEASE * 0.9)
            assert not (await consumer.exchange([], Want((QUEUE,), 1))).lost
        for _ in range(5):
            self.advance(LEASE * 0.9)
            assert await consumer.renew([one.ticket]) == frozenset()
        supervisor, keeper = await self.keeper()
        assert await keeper.adopt(None, 10) == []
        await self.dispose(consumer, one, Ack())
        await supervisor.close()

    @asynchronous
    async def test_a_supervisor_stands_in_for_its_process(self) -> None:
        await self.publish(call("one"))
        consumer = self.broker.consumer(new_id(), node="n1", queues=(QUEUE,))
        self._consumers.append(consumer)
        supervisor, keeper = await self.keeper()
        assert isinstance(keeper, RenewFor)
        await keeper.enroll(consumer.id, lease=LEASE, width=1)
        await consumer.open(lease=LEASE, width=1)
        (one,) = await self.claim(consumer)
        for _ in range(3):
            self.advance(LEASE * 0.9)
            assert await keeper.renew_for([consumer.id], lease=LEASE) == frozenset()
            await supervisor.renew([])
        await self.dispose(consumer, one, Ack())
        stranger = new_id()
        assert await keeper.renew_for([stranger], lease=LEASE) == {stranger}

    @asynchronous
    async def test_nobody_renews_for_a_consumer_that_was_adopted_from(self) -> None:
        await self.publish(call("one"), call("two"))
        dead = await self.consumer()
        await self.claim(dead)
        _, keeper = await self.keeper()
        assert isinstance(keeper, RenewFor)
        assert len(await keeper.adopt(dead.id, 1)) == 1
        assert await keeper.renew_for([dead.id], lease=LEASE) == {dead.id}

    @asynchronous
    async def test_who_was_enrolled_and_never_opened_lapses_too(self) -> None:
        supervisor, keeper = await self.keeper()
        assert isinstance(keeper, RenewFor)
        unborn = new_id()
        await keeper.enroll(unborn, lease=LEASE, width=1)
        self.advance(LEASE + 1)
        await supervisor.renew([])
        assert await keeper.adopt(None, 10) == []
        assert await keeper.renew_for([unborn], lease=LEASE) == {unborn}
