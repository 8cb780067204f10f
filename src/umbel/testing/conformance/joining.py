"""Suites for joins: a part counts once, one settlement completes a join and keeps its message, nothing is left."""

from umbel.core.delivery import GONE, Ack, Refused, Settled, Settlement, Want
from umbel.core.joining import CLAIM, Closing, Extension, Joined, Opening, Part, Reopening, Standing, Step
from umbel.core.resting import KEPT_AT_LEAST
from umbel.core.states import FAILURE, SUCCESS
from umbel.result.base import CanJoin, Joins
from umbel.testing.conformance.site import Suite, asynchronous, call, names, success
from umbel.testing.conformance.storing import EXPIRES, Stored
from umbel.wire import parts as wire

BODY = {"task": "tasks.body"}
STANDS_FOR_IT = {"task": "umbel.rest"}


def part(
    index: int | None, state: str = SUCCESS, *, group: str = "g1", task_id: str = "", result: object = None
) -> Part:
    """A part of a member whose id is ``t<index>``."""
    return Part(group, task_id or f"t{index}", index, state, index if result is None else result, BODY)


def kept(index: int, state: str = SUCCESS) -> Part:
    """The same of a member whose join keeps the body."""
    return Part("g1", f"t{index}", index, state, index, STANDS_FOR_IT, True)


def results(joined: Joined | None) -> list[object]:
    """The parts' results, in order."""
    assert joined is not None
    return [wire.decode(data).result for data in joined.parts]


class JoinSuite(Stored):
    """What a store that can join promises, as far as a fake clock can drive it."""

    @property
    def joins(self) -> Joins:
        assert isinstance(self.store, CanJoin)
        return self.store.joins

    async def take(self, *steps: Step) -> Joined | None:
        """Take steps, and return the answer to the last."""
        return (await self.joins.take(steps))[-1]

    @asynchronous
    async def test_the_last_part_completes_a_join_in_the_order_of_the_header(self) -> None:
        assert await self.take(Opening("g1", 12)) is None
        for index in (11, *range(1, 11)):
            assert await self.take(part(index)) is None
        joined = await self.take(part(0))
        assert results(joined) == list(range(12))
        assert joined is not None
        assert (joined.group, joined.shape) == ("g1", None)

    @asynchronous
    async def test_no_steps_are_taken_at_once(self) -> None:
        await self.store.write([])
        self.store.sync.write([])
        assert await self.joins.take([]) == self.joins.take_sync([]) == []

    @asynchronous
    async def test_of_many_parts_at_once_one_completes(self) -> None:
        steps: list[Step] = [Opening("g1", 300)]
        steps += [part(index) for index in range(300)]
        answers = await self.joins.take(steps)
        (joined,) = [answer for answer in answers if answer is not None]
        assert results(joined) == list(range(300))

    @asynchronous
    async def test_joins_do_not_mix(self) -> None:
        steps: list[Step] = [Opening("g1", 1), Opening("g2", 2), part(0, group="g2", task_id="a"), part(0)]
        answers = await self.joins.take(steps)
        assert [answer is not None for answer in answers] == [False, False, False, True]
        assert results(await self.take(part(1, group="g2", task_id="b"))) == [0, 1]

    @asynchronous
    async def test_a_part_counts_once(self) -> None:
        await self.take(Opening("g1", 2), part(0), part(0), part(0, result="another"))
        assert results(await self.take(part(1))) == [0, 1]

    @asynchronous
    async def test_the_part_that_completed_a_join_completes_it_again_and_no_other_does(self) -> None:
        await self.take(Opening("g1", 2), part(0), part(1))
        assert await self.take(part(0)) is None
        assert results(await self.take(part(1))) == [0, 1]
        self.advance(CLAIM + 1)
        assert results(await self.take(part(0))) == [0, 1]

    @asynchronous
    async def test_a_join_that_is_closed_takes_no_parts(self) -> None:
        await self.take(Opening("g1", 1), part(0), Closing("g1"))
        assert await self.joins.take([part(0), part(1), Closing("g1")]) == [None, None, None]

    @asynchronous
    async def test_a_failed_part_counts_and_a_success_takes_its_place(self) -> None:
        await self.take(Opening("g1", 3), part(0, FAILURE), part(1))
        assert results(await self.take(part(2, FAILURE))) == [0, 1, 2]
        await self.take(Closing("g1", failed=2))
        assert await self.take(part(0, FAILURE)) is None
        assert await self.take(part(0, result="mended")) is None
        assert await self.take(part(1, FAILURE)) is None
        assert results(await self.take(part(2, result="mended too"))) == ["mended", 1, "mended too"]

    @asynchronous
    async def test_a_join_that_is_opened_again_waits_for_what_failed_and_keeps_the_rest(self) -> None:
        await self.take(Opening("g1", 3), part(0, FAILURE), part(1), part(2, FAILURE), Closing("g1", failed=2))
        for _ in range(2):
            assert await self.take(Reopening("g1")) is None
        assert (await self.joins.standings(["g1"]))["g1"] == Standing(3, 1, 0)
        assert await self.take(part(1, result="another")) is None
        assert await self.take(part(2, result="mended")) is None
        joined = await self.take(part(0, FAILURE))
        assert joined is not None
        found = [wire.decode(data) for data in joined.parts]
        assert [one.state for one in found] == [FAILURE, SUCCESS, SUCCESS]
        assert [one.result for one in found][1:] == [1, "mended"]

    @asynchronous
    async def test_a_join_of_which_nothing_is_left_is_opened_again_by_its_size(self) -> None:
        shape = [["g1", None], [[["t0", None], None], [["t1", None], None]]]
        await self.take(Opening("g1", 1), part(0), Closing("g1"))
        for group in ("g1", "g2"):
            await self.take(Reopening(group, 2, shape), part(0, group=group))
            joined = await self.take(part(1, group=group))
            assert results(joined) == [0, 1]
            assert joined is not None
            assert joined.shape is not None

    @asynchronous
    async def test_a_failed_join_whose_chord_is_called_anew_begins_with_nothing(self) -> None:
        await self.take(Opening("g1", 2), Extension("g1"), part(0, FAILURE), part(1), part(2), Closing("g1", failed=1))
        assert await self.take(Opening("g1", 2), part(0)) is None
        assert (await self.joins.standings(["g1"]))["g1"] == Standing(2, 1, 0)
        assert results(await self.take(part(1))) == [0, 1]

    @asynchronous
    async def test_an_open_join_that_is_opened_again_keeps_its_size(self) -> None:
        await self.take(Opening("g1", 2), Extension("g1"), part(0), part(1, FAILURE))
        await self.take(Reopening("g1"), part(1))
        assert results(await self.take(part(2))) == [0, 1, 2]

    @asynchronous
    async def test_a_join_tells_how_full_it_is(self) -> None:
        await self.take(Opening("g1", 3), Extension("g1"), part(0), part(1, FAILURE), part(None, task_id="x"))
        await self.take(Opening("g2", 1), part(0, FAILURE, group="g2"), Closing("g2", failed=1))
        await self.take(Opening("g3", 1), part(0, group="g3"), Closing("g3"))
        found = await self.joins.standings(["g1", "g2", "g3", "nobody"])
        assert found["g1"] == Standing(4, 3, 1)
        assert found["g2"] == Standing(1, 1, 1, "failed")
        assert found["g3"].state == "done"
        assert set(found) == {"g1", "g2", "g3"}
        assert await self.joins.standings([]) == {}

    @asynchronous
    async def test_a_success_is_not_replaced(self) -> None:
        await self.take(Opening("g1", 2), part(0), part(0, FAILURE))
        joined = await self.take(part(1))
        assert joined is not None
        assert [wire.decode(data).state for data in joined.parts] == [SUCCESS, SUCCESS]

    @asynchronous
    async def test_parts_without_an_index_come_last(self) -> None:
        await self.take(Opening("g1", 2), part(None, task_id="a", result="last"))
        assert results(await self.take(part(0))) == [0, "last"]

    @asynchronous
    async def test_parts_with_the_same_index_are_told_apart_by_their_task(self) -> None:
        await self.take(Opening("g1", 2), part(0, task_id="a"))
        assert len(results(await self.take(part(0, task_id="b")))) == 2

    @asynchronous
    async def test_a_join_may_be_extended(self) -> None:
        await self.take(Opening("g1", 1), Extension("g1"), Extension("g1"))
        assert await self.take(part(0)) is None
        assert await self.take(part(1)) is None
        assert results(await self.take(part(2))) == [0, 1, 2]

    @asynchronous
    async def test_parts_may_come_before_the_opening(self) -> None:
        await self.take(part(0))
        assert results(await self.take(Opening("g1", 2), part(1))) == [0, 1]

    @asynchronous
    async def test_a_group_may_be_joined_again(self) -> None:
        await self.take(Opening("g1", 1), part(0), Closing("g1"))
        assert results(await self.take(Opening("g1", 1), part(0, result="again"))) == ["again"]

    @asynchronous
    async def test_the_header_s_shape_is_kept(self) -> None:
        shape = [["g1", None], [[["t0", None], None]]]
        joined = await self.take(Opening("g1", 1, shape), part(0))
        assert joined is not None
        assert wire.arrange(joined) == [wire.decode(joined.parts[0])]

    @asynchronous
    async def test_a_body_that_came_with_the_opening_is_in_the_answer(self) -> None:
        await self.take(Opening("g1", 2, body=wire.encode_body(BODY)), kept(0))
        joined = await self.take(kept(1))
        assert results(joined) == [0, 1]
        assert joined is not None
        assert wire.decode_body(joined.body) == BODY

    @asynchronous
    async def test_a_body_is_kept_until_its_join_is_closed(self) -> None:
        await self.take(Opening("g1", 1, body=wire.encode_body(BODY)), kept(0, FAILURE), Closing("g1", failed=1))
        await self.take(Extension("g1", 0))
        joined = await self.take(kept(0))
        assert joined is not None
        assert wire.decode_body(joined.body) == BODY
        await self.take(Closing("g1"))
        assert await self.take(kept(0)) is None

    @asynchronous
    async def test_the_bodies_that_joins_keep_are_read_by_their_groups(self) -> None:
        assert await self.joins.bodies([]) == await self.joins.bodies(["nobody"]) == {}
        await self.take(Opening("g1", 2, body=wire.encode_body(BODY)), kept(0), Opening("g2", 1))
        await self.take(Opening("g3", 1), part(0, group="g3"), Closing("g3", failed=1))
        found = await self.joins.bodies(["g1", "g2", "g3"])
        assert {group: wire.decode_body(data) for group, data in found.items()} == {"g1": BODY, "g3": BODY}
        await self.take(Closing("g1"))
        assert await self.joins.bodies(["g1"]) == {}

    @asynchronous
    async def test_a_part_whose_join_has_lost_its_body_is_told_so(self) -> None:
        assert await self.take(kept(0)) == Joined("g1", ())
        await self.take(Opening("g1", 1, body=wire.encode_body(BODY)))
        self.advance(KEPT_AT_LEAST + 1)
        await self.store.prune()
        answers = await self.joins.take([kept(0), part(0, group="g2"), kept(1)])
        assert answers == [Joined("g1", ()), None, Joined("g1", ())]

    @asynchronous
    async def test_a_body_that_was_kept_is_found_with_what_nobody_saw_to(self) -> None:
        await self.take(Opening("g1", 1, body=wire.encode_body(BODY)))
        self.advance(CLAIM + 1)
        assert await self.joins.abandoned() == []
        await self.take(kept(0))
        self.advance(CLAIM + 1)
        (found,) = await self.joins.abandoned()
        assert (found.body, results(found.joined)) == (BODY, [0])

    @asynchronous
    async def test_what_nobody_saw_to_is_found_once(self) -> None:
        await self.take(Opening("g1", 1), part(0), Opening("g2", 2), part(0, group="g2"))
        assert await self.joins.abandoned() == []
        self.advance(CLAIM + 1)
        (found,) = await self.joins.abandoned()
        assert (found.body, found.joined.group, results(found.joined)) == (BODY, "g1", [0])
        assert await self.joins.abandoned() == []
        self.advance(CLAIM + 1)
        assert len(await self.joins.abandoned()) == 1
        await self.take(Closing("g1"))
        self.advance(CLAIM + 1)
        assert await self.joins.abandoned() == []

    @asynchronous
    async def test_a_failed_join_is_not_abandoned(self) -> None:
        await self.take(Opening("g1", 1), part(0, FAILURE), Closing("g1", failed=1))
        self.advance(CLAIM + 1)
        assert await self.joins.abandoned() == []

    @asynchronous
    async def test_a_join_waits_longer_than_results_are_kept_from_its_last_part(self) -> None:
        await self.take(Opening("g1", 3), part(0))
        self.advance(KEPT_AT_LEAST - 1)
        await self.take(part(1))
        self.advance(KEPT_AT_LEAST - 1)
        await self.store.prune()
        assert await self.take(part(1)) is None
        assert results(await self.take(part(2))) == [0, 1, 2]
        await self.take(Opening("g2", 1))
        self.advance(KEPT_AT_LEAST + 1)
        await self.store.prune()
        assert await self.take(part(0, group="g2")) is None

    @asynchronous
    async def test_a_failed_join_waits_for_better_parts_and_one_that_is_done_for_nothing(self) -> None:
        await self.take(Opening("g1", 1), part(0, FAILURE), Closing("g1", failed=1))
        await self.take(Opening("g2", 1), part(0, group="g2"), Closing("g2"))
        self.advance(EXPIRES + 1)
        await self.store.prune()
        assert set(await self.joins.standings(["g1", "g2"])) == {"g1"}
        assert results(await self.take(part(0))) == [0]

    def test_the_blocking_side_is_the_same_store(self) -> None:
        steps: list[Step] = [Opening("g1", 1), part(0)]
        assert results(self.joins.take_sync(steps)[-1]) == [0]


class JoinSettleSuite(Suite):
    """Joins and brokers that share a server: the step is part of a settlement, and its completion keeps the message."""

    def op(self, step: Step) -> object:
        store = self.site.store()
        assert isinstance(store, CanJoin)
        return store.joins.compile(step)

    @asynchronous
    async def test_the_settlement_that_completes_a_join_keeps_its_message(self) -> None:
        store = self.site.store()
        assert isinstance(store, CanJoin)
        await store.joins.take([Opening("g1", 2)])
        await self.publish(call("one"), call("two"))
        consumer = await self.consumer()
        one, two = await self.claim(consumer)
        settlements = [
            Settlement(delivery.ticket, Ack(), ops=(store.compile(success(f"t{index}")), self.op(part(index))))
            for index, delivery in enumerate((one, two))
        ]
        turn = await self.settle(consumer, *settlements)
        first, last = turn.verdicts
        assert isinstance(first, Settled)
        assert isinstance(last, Settled)
        completed = [verdict for verdict in (first, last) if verdict.joined]
        assert len(completed) == 1
        assert results(completed[0].joined[0]) == [0, 1]
        assert set(await store.read(["t0", "t1"])) == {"t0", "t1"}
        assert (await self.depth()).claimed == 1
        kept = one if first.joined else two
        closing = (self.op(Closing("g1")),)
        turn = await self.settle(consumer, Settlement(kept.ticket, Ack(), (call("body"),), closing))
        assert turn.verdicts == [Settled()]
        assert names(await self.drain(consumer)) == ["body"]
        assert (await self.depth()).claimed == 0

    @asynchronous
    async def test_a_message_kept_for_a_join_is_redelivered_and_completes_it_again(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        steps = (self.op(Opening("g1", 1)), self.op(part(0)))
        turn = await self.settle(consumer, Settlement(one.ticket, Ack(), ops=steps))
        assert isinstance(turn.verdicts[0], Settled)
        assert turn.verdicts[0].joined
        await consumer.close()
        again = await self.consumer()
        (one,) = await self.claim(again)
        turn = await self.settle(again, Settlement(one.ticket, Ack(), ops=(self.op(part(0)),)))
        assert isinstance(turn.verdicts[0], Settled)
        assert results(turn.verdicts[0].joined[0]) == [0]

    @asynchronous
    async def test_members_that_settle_together_each_count_for_themselves(self) -> None:
        store = self.site.store()
        assert isinstance(store, CanJoin)
        await store.joins.take([Opening("g1", 3), Opening("g2", 2), Opening("g3", 4)])
        await self.publish(*(call(f"n{n}") for n in range(11)))
        consumer = await self.consumer()
        claimed = await self.claim(consumer, 11)
        await self.dispose(consumer, claimed[2], Ack())
        parts = [part(0), part(0), part(1, result="late"), part(0, group="g2"), part(1), part(1, group="g2"), part(2)]
        parts += [part(index, group="g3", task_id=f"m{index}") for index in range(4)]
        turn = await self.settle(
            consumer,
            *(
                Settlement(delivery.ticket, Ack(), ops=(store.compile(success(one.task_id)), self.op(one)))
                for delivery, one in zip(claimed, parts, strict=True)
            ),
        )
        told = [verdict.joined if isinstance(verdict, Settled) else verdict for verdict in turn.verdicts]
        assert told[2] == GONE
        assert [len(joined) if isinstance(joined, tuple) else None for joined in told] == [
            *(0, 0, None, 0, 0, 1, 1),
            *(0, 0, 0, 1),
        ]
        found = {joined[0].group: results(joined[0]) for joined in told if isinstance(joined, tuple) and joined}
        assert found == {"g1": [0, 1, 2], "g2": [0, 1], "g3": [0, 1, 2, 3]}
        assert (await self.depth()).claimed == 3

    @asynchronous
    async def test_a_member_that_comes_again_among_others_counts_once(self) -> None:
        store = self.site.store()
        assert isinstance(store, CanJoin)
        await store.joins.take([Opening("g1", 4)])
        await self.publish(*(call(f"n{n}") for n in range(6)))
        consumer = await self.consumer()
        claimed = await self.claim(consumer, 6)

        async def end(*places: tuple[int, int]) -> list[Joined]:
            found = [(claimed[n].ticket, part(index)) for n, index in places]
            settlements = [
                Settlement(ticket, Ack(), ops=(store.compile(success(one.task_id)), self.op(one)))
                for ticket, one in found
            ]
            turn = await self.settle(consumer, *settlements)
            return [joined for verdict in turn.verdicts if isinstance(verdict, Settled) for joined in verdict.joined]

        assert await end((0, 0), (1, 1)) == []
        assert await end((2, 1), (3, 2), (4, 0)) == []
        (joined,) = await end((5, 3))
        assert results(joined) == [0, 1, 2, 3]

    @asynchronous
    async def test_one_bad_operation_takes_no_part_in(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        steps = (self.op(Opening("g1", 1)), self.op(part(0)), self.site.bad_op())
        turn = await self.settle(consumer, Settlement(one.ticket, Ack(), ops=steps))
        assert [type(verdict) for verdict in turn.verdicts] == [Refused]
        joins = self.site.store()
        assert isinstance(joins, CanJoin)
        assert await joins.joins.take([part(0)]) == [None]
        turn = await consumer.exchange([Settlement(one.ticket, Ack(), ops=(self.op(Opening("g1", 1)),))], Want((), 0))
        assert turn.verdicts == [Settled()]

    @asynchronous
    async def test_one_settlement_may_complete_two_joins(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        opened = (self.op(Opening("g1", 1)), self.op(Opening("g2", 1)))
        ops = (*opened, self.op(part(0)), self.op(part(0, group="g2")))
        turn = await self.settle(consumer, Settlement(one.ticket, Ack(), ops=ops))
        (verdict,) = turn.verdicts
        assert isinstance(verdict, Settled)
        assert [joined.group for joined in verdict.joined] == ["g1", "g2"]

    @asynchronous
    async def test_a_late_settlement_adds_no_part(self) -> None:
        await self.publish(call("one"))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        await self.dispose(consumer, one, Ack())
        await self.settle(consumer, Settlement(one.ticket, Ack(), ops=(self.op(Opening("g1", 1)), self.op(part(0)))))
        store = self.site.store()
        assert isinstance(store, CanJoin)
        assert await store.joins.take([part(1)]) == [None]
