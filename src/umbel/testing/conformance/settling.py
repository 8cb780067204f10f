"""Suite for brokers: what a settlement does, and that it does all of it or nothing."""

from umbel.core.delivery import Ack, Begin, Bury, Gone, Keep, Refused, Release, Settled, Settlement, Want
from umbel.testing.conformance.site import LOSS, QUEUE, Suite, asynchronous, call, names, success


class SettleSuite(Suite):
    """What a settlement does, and that it does all of it or nothing."""

    @asynchronous
    async def test_ack_publish_and_result_happen_together(self) -> None:
        store = self.site.store()
        assert self.broker.shares_server(store)
        assert not self.broker.shares_server(self.site.store_elsewhere())
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        follow_up = call("next", due=self.now() + 5)
        ops = (store.compile(success("one")),)
        turn = await self.settle(consumer, Settlement(one.ticket, Ack(), (call("link"), follow_up), ops))
        assert [type(verdict) for verdict in turn.verdicts] == [Settled]
        assert (await store.read(["one"]))["one"].result == 4
        depth = await self.depth()
        assert (depth.ready, depth.delayed, depth.claimed) == (1, 1, 0)
        assert names(await self.claim(consumer)) == ["link"]

    @asynchronous
    async def test_what_a_settlement_publishes_may_be_claimed_in_the_same_turn(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        turn = await consumer.exchange([Settlement(one.ticket, Ack(), (call("next"),))], Want((QUEUE,), 5))
        assert names(turn.deliveries) == ["next"]

    @asynchronous
    async def test_repeating_a_settlement_changes_nothing(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        settlement = Settlement(one.ticket, Ack(), (call("next"),))
        await self.settle(consumer, settlement)
        turn = await self.settle(consumer, settlement, settlement)
        assert [type(verdict) for verdict in turn.verdicts] == [Gone, Gone]
        assert (await self.depth()).ready == 1

    @asynchronous
    async def test_a_ticket_twice_in_a_batch_is_settled_once(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        turn = await self.settle(consumer, Settlement(one.ticket, Ack()), Settlement(one.ticket, Release()))
        assert [type(verdict) for verdict in turn.verdicts] == [Settled, Gone]
        assert (await self.depth()).ready == 0

    @asynchronous
    async def test_one_bad_operation_fails_alone(self) -> None:
        store = self.site.store()
        await self.publish(*[call(name) for name in ("one", "two", "three")])
        consumer = await self.consumer()
        one, two, three = await self.claim(consumer)
        turn = await self.settle(
            consumer,
            Settlement(one.ticket, Ack(), ops=(store.compile(success("one")),)),
            Settlement(two.ticket, Ack(), (call("never"),), ops=(store.compile(success("two")), self.site.bad_op())),
            Settlement(three.ticket, Ack(), (call("next"),), ops=(store.compile(success("three")),)),
        )
        assert [type(verdict) for verdict in turn.verdicts] == [Settled, Refused, Settled]
        assert set(await store.read(["one", "two", "three"])) == {"one", "three"}
        await self.dispose(consumer, two, Ack())
        assert names(await self.drain(consumer)) == ["next"]

    @asynchronous
    async def test_a_follow_up_that_cannot_be_encoded_fails_alone(self) -> None:
        bad = call("bad")
        bad.message.custom = {"what": object()}
        await self.publish(call("one"), call("two"))
        consumer = await self.consumer()
        one, two = await self.claim(consumer)
        turn = await self.settle(
            consumer, Settlement(one.ticket, Ack(), (call("never"), bad)), Settlement(two.ticket, Ack())
        )
        assert [type(verdict) for verdict in turn.verdicts] == [Refused, Settled]
        depth = await self.depth()
        assert (depth.ready, depth.claimed) == (0, 1)
        await self.dispose(consumer, one, Release())

    @asynchronous
    async def test_keep_does_the_rest_and_stays_claimed(self) -> None:
        store = self.site.store()
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        ops = (store.compile(success("one")),)
        turn = await self.settle(
            consumer, Settlement(one.ticket, Keep(), (call("part"),), ops), Settlement(one.ticket, Begin())
        )
        assert [type(verdict) for verdict in turn.verdicts] == [Settled, Settled]
        assert set(await store.read(["one"])) == {"one"}
        depth = await self.depth()
        assert (depth.ready, depth.claimed) == (1, 1)
        await self.dispose(consumer, one, Ack())

    @asynchronous
    async def test_losses_are_counted_and_told(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        for losses in range(3):
            (one,) = await self.claim(consumer)
            assert one.losses == losses
            assert one.redelivered == (losses > 0)
            await self.dispose(consumer, one, Release(loss=LOSS))
        (one,) = await self.claim(consumer)
        await self.dispose(consumer, one, Release())
        (one,) = await self.claim(consumer)
        assert one.losses == 3
        await self.dispose(consumer, one, Bury("lost", "killed 4 times", loss=LOSS))
        _, keeper = await self.keeper()
        (letter,) = await keeper.dead()
        assert letter.history == (LOSS,) * 4

    @asynchronous
    async def test_losses_go_along_to_the_back(self) -> None:
        await self.publish(call("one"), call("two"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer, 1)
        await self.dispose(consumer, one, Release(front=False, loss=LOSS))
        two, one = await self.claim(consumer)
        assert [(*names([each]), each.losses) for each in (two, one)] == [("two", 0), ("one", 1)]

    @asynchronous
    async def test_a_new_message_has_no_past(self) -> None:
        consumer = await self.consumer()
        for _ in range(3):
            await self.publish(call("one"))
            (one,) = await self.claim(consumer)
            assert (one.losses, one.redelivered) == (0, False)
            await self.dispose(consumer, one, Release(loss=LOSS))
            (one,) = await self.claim(consumer)
            await self.dispose(consumer, one, Ack())

    @asynchronous
    async def test_an_exchange_of_nothing_is_no_error(self) -> None:
        consumer = await self.consumer()
        turn = await consumer.exchange([], Want((), 0))
        assert (turn.verdicts, turn.deliveries, turn.lost) == ([], [], False)

    @asynchronous
    async def test_many_settlements_at_once(self) -> None:
        store = self.site.store()
        await self.publish(*[call(f"n{n}") for n in range(250)])
        consumer = await self.consumer()
        found = await self.claim(consumer, 250)
        turn = await self.settle(
            consumer,
            *[Settlement(one.ticket, Ack(), ops=(store.compile(success(f"n{n}")),)) for n, one in enumerate(found)],
        )
        assert [type(verdict) for verdict in turn.verdicts] == [Settled] * 250
        assert len(await store.read([f"n{n}" for n in range(250)])) == 250

    @asynchronous
    async def test_bytes_that_are_no_message_are_delivered_as_such(self) -> None:
        self.site.put_garbage(QUEUE)
        await self.publish(call("one"))
        consumer = await self.consumer()
        garbage, one = await self.claim(consumer)
        assert garbage.message is None
        assert garbage.undecodable is not None
        assert garbage.undecodable.reason
        assert garbage.undecodable.raw
        await self.dispose(consumer, garbage, Bury("undecodable", garbage.undecodable.reason))
        await self.dispose(consumer, one, Ack())
        _, keeper = await self.keeper()
        (letter,) = await keeper.dead()
        assert (letter.message, letter.reason) == (None, "undecodable")
        assert letter.raw == garbage.undecodable.raw
        assert await keeper.revive([letter.id]) == 1
        (again,) = await self.claim(consumer)
        assert again.undecodable == garbage.undecodable
