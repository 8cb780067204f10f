"""Suites for brokers: dead letters, rates, revocations and counts."""

import os

import pytest

from umbel.broker.base import Admin
from umbel.core.delivery import Ack, Bury, Depth, Member, Park, Revocation, Want
from umbel.core.revoking import by_root, by_stamp
from umbel.testing.conformance.site import LOSS, QUEUE, Suite, asynchronous, call, names, new_id


class DeadSuite(Suite):
    """Dead letters."""

    async def bury(self, *names: str, reason: str = "failed") -> Admin:
        await self.publish(*[call(name) for name in names])
        consumer = await self.consumer()
        for one in await self.claim(consumer):
            await self.dispose(consumer, one, Bury(reason, f"{names} broke", "Traceback …"))
            self.advance(1)
        _, keeper = await self.keeper()
        return keeper

    @asynchronous
    async def test_a_buried_message_is_shown_with_its_reason(self) -> None:
        now = self.now()
        keeper = await self.bury("one")
        (letter,) = await keeper.dead()
        assert letter.message is not None
        assert (letter.queue, letter.reason, letter.at, letter.traceback) == (QUEUE, "failed", now, "Traceback …")
        assert letter.message.headers.task == "one"
        assert letter.raw is None
        depth = await self.depth()
        assert (depth.dead, depth.ready, depth.claimed) == (1, 0, 0)

    @asynchronous
    async def test_the_newest_come_first_and_are_found_by_either_id(self) -> None:
        keeper = await self.bury("one", "two", "three")
        letters = await keeper.dead()
        assert [one.message.headers.id for one in letters if one.message] == ["three", "two", "one"]
        assert len(await keeper.dead(limit=2)) == 2
        assert [one.id for one in await keeper.dead(ids=["two", letters[2].id])] == [letters[1].id, letters[2].id]
        assert await keeper.dead(ids=["nobody"]) == []

    @asynchronous
    async def test_a_revived_letter_runs_again_with_a_fresh_count(self) -> None:
        await self.publish(call("one", priority=self.urgent(7)))
        consumer = await self.consumer()
        (one,) = await self.claim(consumer)
        await self.dispose(consumer, one, Park(self.now(), "unknown"))
        (one,) = await self.claim(consumer)
        await self.dispose(consumer, one, Bury("lost", loss=LOSS))
        _, keeper = await self.keeper()
        assert await keeper.revive(["one", "nobody"]) == 1
        assert await keeper.revive(["one"]) == 0
        await self.publish(call("low", priority=self.urgent(0)))
        (again, _) = await self.claim(consumer)
        assert names([again]) == ["one"]
        assert (again.losses, again.redelivered, again.unknown_since, again.granted) == (0, False, None, None)
        assert await keeper.dead() == []

    @asynchronous
    async def test_discarded_letters_are_gone(self) -> None:
        keeper = await self.bury("one", "two")
        assert await keeper.discard(["one"]) == 1
        assert await keeper.discard(["one"]) == 0
        assert [one.message.headers.id for one in await keeper.dead() if one.message] == ["two"]

    @asynchronous
    async def test_whatever_its_id_is_a_message_can_be_buried(self) -> None:
        keeper = await self.bury("one\0two", "three")
        found = [one.message.headers.id for one in await keeper.dead() if one.message]
        assert sorted(found) == ["one\0two", "three"]
        assert (await self.depth()).claimed == 0

    @asynchronous
    async def test_letters_expire(self) -> None:
        keeper = await self.bury("old")
        self.advance(6 * 86400)
        await self.bury("new")
        self.advance(1.5 * 86400)
        assert [one.message.headers.id for one in await keeper.dead() if one.message] == ["new"]
        assert await keeper.prune() == 1
        assert await keeper.prune() == 0
        assert (await self.depth()).dead == 1


class SharedSuite(Suite):
    """What all who share the broker agree on: rates, revocations, counts."""

    @asynchronous
    async def test_start_times_are_apart_for_all_together(self) -> None:
        now = self.now()
        _, first = await self.keeper()
        other = self.site.broker()
        second = other.keeper(other.consumer(new_id(), node="n3", queues=()))
        slots = await first.slots("tasks.a", 0.1, 3) + await second.slots("tasks.a", 0.1, 2)
        slots += await first.slots("tasks.a", 0.1, 1)
        assert slots == pytest.approx([now + n * 0.1 for n in range(6)])
        assert await first.slots("tasks.b", 1.0, 1) == [now]
        other.close()

    @asynchronous
    async def test_unused_slots_do_not_pile_up(self) -> None:
        _, keeper = await self.keeper()
        await keeper.slots("tasks.a", 1.0, 1)
        self.advance(100)
        now = self.now()
        assert await keeper.slots("tasks.a", 1.0, 2) == [now, now + 1]

    @asynchronous
    async def test_a_revocation_changes_the_version_that_every_turn_tells(self) -> None:
        consumer = await self.consumer()
        _, keeper = await self.keeper()
        before = (await consumer.exchange([], Want((QUEUE,), 1))).revocations
        version = await keeper.revoke([Revocation("one"), Revocation("two", "SIGTERM")], expires=60)
        turn = await consumer.exchange([], Want((QUEUE,), 1))
        assert turn.revocations == version != before
        assert await keeper.revoked() == (version, {"one": Revocation("one"), "two": Revocation("two", "SIGTERM")})

    @asynchronous
    async def test_revocations_expire(self) -> None:
        _, keeper = await self.keeper()
        await keeper.revoke([Revocation("one")], expires=60)
        await keeper.revoke([Revocation("two")], expires=600)
        self.advance(61)
        assert set((await keeper.revoked())[1]) == {"two"}
        assert await keeper.prune() == 1

    @asynchronous
    async def test_revoking_again_only_adds(self) -> None:
        _, keeper = await self.keeper()
        await keeper.revoke([Revocation("one", "SIGKILL")], expires=600)
        await keeper.revoke([Revocation("one")], expires=1)
        self.advance(60)
        assert (await keeper.revoked())[1] == {"one": Revocation("one", "SIGKILL")}

    @asynchronous
    async def test_marks_for_many_are_kept_like_ids(self) -> None:
        _, keeper = await self.keeper()
        texts = [by_stamp("order", "A-7 ✓"), by_root("one"), "one"]
        version = await keeper.revoke([Revocation(text, "SIGTERM") for text in texts], expires=60)
        assert await keeper.revoked() == (version, {text: Revocation(text, "SIGTERM") for text in texts})

    @asynchronous
    async def test_what_is_pardoned_is_off_the_set_and_everybody_reads_it_anew(self) -> None:
        _, keeper = await self.keeper()
        consumer = await self.consumer()
        version = await keeper.revoke([Revocation("one", "SIGKILL"), Revocation("two")], expires=60)
        assert await keeper.pardon(["one", "nobody"]) > version
        turn = await consumer.exchange([], Want((QUEUE,), 1))
        assert turn.revocations > version
        assert (await keeper.revoked())[1] == {"two": Revocation("two")}
        await keeper.revoke([Revocation("one")], expires=60)
        assert (await keeper.revoked())[1]["one"] == Revocation("one")

    @asynchronous
    async def test_the_version_that_a_pardon_returns_is_the_one_that_everybody_reads(self) -> None:
        """Found by a walk: where nothing was revoked, there is nothing to count up."""
        _, keeper = await self.keeper()
        consumer = await self.consumer()
        version = await keeper.pardon(["nobody"])
        assert await keeper.revoked() == (version, {})
        assert (await consumer.exchange([], Want((QUEUE,), 1))).revocations == version

    @asynchronous
    async def test_the_register_tells_who_lives_and_what_each_holds(self) -> None:
        await self.publish(call("one"), call("two"))
        worker = await self.consumer(QUEUE, "b", width=3)
        await self.claim(worker)
        supervisor, keeper = await self.keeper()
        known = {member.id: member for member in await keeper.members()}
        assert known.keys() == {worker.id, supervisor.id}
        assert known[worker.id] == Member(worker.id, "n1", os.getpid(), 3, (QUEUE, "b"), 2, True)
        assert known[supervisor.id] == Member(supervisor.id, "n2", os.getpid(), 0, (), 0, True)
        self.site.lapse(worker)
        await supervisor.renew([])
        assert {member.id: member.alive for member in await keeper.members()} == {worker.id: False, supervisor.id: True}

    @asynchronous
    async def test_survey_counts(self) -> None:
        now = self.now()
        await self.publish(call("a1"), call("a2"), call("a3"), call("a4", due=now + 9), call("b1", queue="b"))
        await self.publish(call("c1", queue="c", due=now + 9))
        consumer = await self.consumer(QUEUE, "d")
        one, _ = await self.claim(consumer, 2)
        await self.dispose(consumer, one, Bury("failed"))
        _, keeper = await self.keeper()
        expected = [
            Depth("b", ready=1),
            Depth("c", delayed=1),
            Depth(QUEUE, ready=1, delayed=1, claimed=1, dead=1, consumers=1),
            Depth("d", consumers=1),
        ]
        assert await keeper.survey(None) == expected
        assert await keeper.survey([QUEUE, "nowhere"]) == [expected[2], Depth("nowhere")]
        assert self.broker.sync_producer().survey(["b"]) == [Depth("b", ready=1)]

    @asynchronous
    async def test_purge_deletes_what_waits_and_not_what_is_claimed(self) -> None:
        now = self.now()
        await self.publish(*[call("one") for _ in range(1500)])
        await self.publish(call("later", due=now + 9), call("other", queue="b"))
        consumer = await self.consumer()
        (held,) = await self.claim(consumer, 1)
        _, keeper = await self.keeper()
        assert await keeper.purge(QUEUE) == 1500
        assert await keeper.purge(QUEUE) == 0
        depth = await self.depth()
        assert (depth.ready, depth.delayed, depth.claimed) == (0, 0, 1)
        assert (await self.depth("b")).ready == 1
        await self.dispose(consumer, held, Ack())

    @asynchronous
    async def test_a_drained_system_is_back_at_its_base(self) -> None:
        await self.publish(*[call(f"n{n}") for n in range(5)])
        consumer = await self.consumer()
        await self.drain(consumer)
        _, keeper = await self.keeper()
        await keeper.slots("tasks.a", 1.0, 1)
        await keeper.revoke([Revocation("one")], expires=1)
        self.advance(60)
        await consumer.close()
        assert await keeper.prune() == 2
        assert await keeper.survey(None) == []
