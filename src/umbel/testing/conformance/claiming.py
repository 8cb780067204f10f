"""Suites for brokers: messages that wait for their time, and who holds what."""

import pytest

from umbel.core.delivery import Ack, Begin, Bury, Gone, Keep, Park, Release, Settled, Settlement, Ticket, Want
from umbel.testing.conformance.site import LEASE, QUEUE, Suite, asynchronous, call, names, new_id


class DelaySuite(Suite):
    """Messages that wait for their time, in the broker."""

    @asynchronous
    async def test_a_message_with_a_due_time_is_delivered_then(self) -> None:
        now = self.now()
        await self.publish(call("later", due=now + 10), call("sooner", due=now + 5), call("now"))
        consumer = await self.consumer()
        turn = await consumer.exchange([], Want((QUEUE,), 10))
        assert names(turn.deliveries) == ["now"]
        assert turn.next_due == pytest.approx(5)
        self.advance(5)
        turn = await consumer.exchange([], Want((QUEUE,), 10))
        assert names(turn.deliveries) == ["sooner"]
        assert turn.next_due == pytest.approx(5)
        self.advance(5)
        turn = await consumer.exchange([], Want((QUEUE,), 10))
        assert names(turn.deliveries) == ["later"]
        assert turn.next_due is None

    @asynchronous
    async def test_what_was_due_already_is_delivered_at_once(self) -> None:
        await self.publish(call("past", due=self.now() - 100))
        assert names(await self.claim(await self.consumer())) == ["past"]

    @asynchronous
    async def test_the_delayed_can_be_made_ready_first_due_first(self) -> None:
        now = self.now()
        await self.publish(call("third", due=now + 30), call("first", due=now + 10), call("second", due=now + 20))
        _, keeper = await self.keeper()
        assert await keeper.hasten(QUEUE, 2) == 2
        assert names(await self.claim(await self.consumer())) == ["first", "second"]
        assert (await self.depth()).delayed == 1
        assert await keeper.hasten(QUEUE, 10) == 1
        assert await keeper.hasten(QUEUE, 10) == 0
        assert await keeper.hasten("no such queue", 10) == 0

    @asynchronous
    async def test_a_parked_message_comes_back_when_it_is_due(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        await self.dispose(consumer, one, Park(self.now() + 20))
        assert await self.claim(consumer) == []
        assert (await self.depth()).delayed == 1
        self.advance(20)
        (again,) = await self.claim(consumer)
        assert (again.granted, again.unknown_since, again.losses) == (None, None, 0)
        assert again.ticket != one.ticket

    @asynchronous
    async def test_the_slot_of_a_rate_limit_comes_with_the_message(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        slot = self.now() + 0.123456
        await self.dispose(consumer, one, Park(slot, "rate"))
        self.advance(1)
        (again,) = await self.claim(consumer)
        assert again.granted == slot

    @asynchronous
    async def test_when_a_message_was_first_unknown_is_kept(self) -> None:
        await self.publish(call("one"))
        consumer, first = await self.consumer(), self.now()
        for _ in range(3):
            (one,) = await self.claim(consumer)
            await self.dispose(consumer, one, Park(self.now() + 10, "unknown"))
            self.advance(10)
        (one,) = await self.claim(consumer)
        assert one.unknown_since == first

    @asynchronous
    async def test_many_that_fall_due_together_all_arrive(self) -> None:
        now = self.now()
        await self.publish(*[call(f"n{n}", due=now + 1) for n in range(700)])
        self.advance(1)
        found = await self.drain(await self.consumer())
        assert sorted(names(found)) == sorted(f"n{n}" for n in range(700))

    @asynchronous
    async def test_a_delayed_message_keeps_its_priority(self) -> None:
        now = self.now()
        await self.publish(call("low", priority=self.urgent(0)), call("high", priority=self.urgent(9), due=now + 1))
        self.advance(1)
        assert names(await self.drain(await self.consumer())) == ["high", "low"]


class TicketSuite(Suite):
    """Who holds what."""

    @asynchronous
    async def test_a_claimed_message_is_nobody_elses(self) -> None:
        await self.publish(call("one"))
        first, second = await self.consumer(), await self.consumer()
        assert len(await self.claim(first)) == 1
        assert await self.claim(second) == []
        depth = await self.depth()
        assert (depth.ready, depth.claimed) == (0, 1)

    @asynchronous
    async def test_no_ticket_is_given_twice(self) -> None:
        await self.publish(*[call(f"n{n}") for n in range(10)])
        consumer = await self.consumer()
        seen: set[Ticket] = set()
        for round in range(6):
            deliveries = await self.claim(consumer)
            tickets = {one.ticket for one in deliveries}
            assert len(tickets) == 10
            assert not tickets & seen
            seen |= tickets
            if round % 2:
                await consumer.open(lease=LEASE, width=1)
            else:
                await self.settle(consumer, *[Settlement(ticket, Release()) for ticket in tickets])

    @asynchronous
    async def test_a_claim_whose_answer_was_lost_goes_back(self) -> None:
        await self.publish(call("one"), call("two"), call("three"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer, 1)
        await self.claim(consumer, 1)  # this answer never arrives
        kept = await consumer.open(lease=LEASE, width=1, holding=[one.ticket])
        assert kept == {one.ticket}
        assert names(await self.claim(consumer)) == ["two", "three"]
        await self.dispose(consumer, one, Ack())

    @asynchronous
    async def test_what_a_consumer_only_believes_to_hold_is_lost_to_it(self) -> None:
        await self.publish(call("one"), call("two"))
        consumer = await self.consumer()
        one, two = await self.claim(consumer)
        await self.dispose(consumer, one, Ack())
        assert await consumer.open(lease=LEASE, width=1, holding=[one.ticket, two.ticket]) == {two.ticket}
        stranger = Ticket(new_id(), 1, 1)
        assert await consumer.renew([one.ticket, two.ticket, stranger]) == {one.ticket, stranger}

    @asynchronous
    async def test_reopening_again_and_again_changes_nothing(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        for _ in range(3):
            assert await consumer.open(lease=LEASE, width=1, holding=[one.ticket]) == {one.ticket}
        await self.dispose(consumer, one, Ack())

    @asynchronous
    async def test_a_settled_ticket_is_gone(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        await self.dispose(consumer, one, Ack())
        for disposition in (Ack(), Release(), Park(0), Bury("failed"), Keep(), Begin()):
            turn = await self.settle(consumer, Settlement(one.ticket, disposition, (call("never"),)))
            assert [type(verdict) for verdict in turn.verdicts] == [Gone]
        depth = await self.depth()
        assert (depth.ready, depth.delayed, depth.claimed, depth.dead) == (0, 0, 0, 0)

    @asynchronous
    async def test_a_consumer_cannot_settle_for_another(self) -> None:
        await self.publish(call("one"), call("two"))
        first, second = await self.consumer(), await self.consumer()
        (one,) = await self.claim(first, 1)
        (two,) = await self.claim(second, 1)
        assert one.ticket[1:] == two.ticket[1:], "or this test shows nothing"
        turn = await self.settle(second, Settlement(one.ticket, Ack()))
        assert [type(verdict) for verdict in turn.verdicts] == [Gone]
        await self.dispose(first, one, Ack())

    @asynchronous
    async def test_a_ticket_of_another_generation_is_gone(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        forged = one.ticket._replace(generation=one.ticket.generation + 1)
        turn = await self.settle(consumer, Settlement(forged, Ack()))
        assert [type(verdict) for verdict in turn.verdicts] == [Gone]
        await self.dispose(consumer, one, Ack())

    @asynchronous
    async def test_closing_hands_everything_back(self) -> None:
        await self.publish(call("one"), call("two"))
        consumer = await self.consumer()
        await self.claim(consumer)
        await consumer.close()
        await consumer.close()
        assert (await self.depth()).consumers == 0
        found = await self.claim(await self.consumer())
        assert names(found) == ["one", "two"]
        assert [one.losses for one in found] == [0, 0]
        assert all(one.redelivered for one in found)

    @asynchronous
    async def test_a_supervisor_recalls_all_but_what_runs(self) -> None:
        await self.publish(call("one"), call("two"), call("three"), call("four"))
        consumer = await self.consumer()
        one, two, three, four = await self.claim(consumer)
        _, keeper = await self.keeper()
        last = three.ticket.serial
        assert await keeper.recall(consumer.id, last=last, keep=[one.ticket]) == 2
        assert await keeper.recall(consumer.id, last=last, keep=[one.ticket]) == 0
        assert await keeper.recall(new_id(), last=last, keep=[]) == 0
        assert await keeper.recall(consumer.id, last=last, above=last, keep=[]) == 0
        held = [one.ticket, two.ticket, three.ticket, four.ticket]
        assert await consumer.renew(held) == {two.ticket, three.ticket}
        turn = await self.settle(consumer, *[Settlement(ticket, Ack()) for ticket in held])
        assert [type(verdict) for verdict in turn.verdicts] == [Settled, Gone, Gone, Settled]
        assert names(await self.claim(await self.consumer())) == ["two", "three"]
