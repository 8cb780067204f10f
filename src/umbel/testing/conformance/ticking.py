"""Suite for brokers that record ticks (``broker.base.Ticks``): entries, marks, leadership, and each tick once."""

import secrets
from typing import Any

from umbel.broker.base import Ticks, Timetable
from umbel.core.delivery import Accepted, Outgoing, Refused
from umbel.core.timetable import FENCED, SEEN, Changes, Kept, Mark, Tick
from umbel.testing.conformance.site import QUEUE, Suite, asynchronous, call, names

BOOK = "shop"


def beat_id() -> str:
    """A beat's name as beats make them."""
    return secrets.token_hex(16)


def tick(name: str, due: float, *messages: Outgoing, mark: float | None = None, runs: int = 1) -> Tick:
    """A tick that publishes one message of its own name unless others are given."""
    return Tick(name, due, due if mark is None else mark, messages or (call(f"{name}@{due:g}"),), runs)


class TickSuite(Suite):
    """Entries are kept, one beat leads, and a tick is published once."""

    def timetable(self) -> Timetable:
        """As another process would open it."""
        broker: Any = self.site.broker()
        assert isinstance(broker, Ticks), f"{broker.features.name} has no timetable"
        return broker.timetable()

    async def leading(self, timetable: Timetable, beat: str, *, lease: float = 10) -> int:
        lead = await timetable.lead(BOOK, beat, lease=lease)
        assert lead.epoch is not None
        return lead.epoch

    async def waiting(self) -> list[str]:
        return names(await self.drain(await self.consumer()))

    # Entries ----------------------------------------------------------------------------------------------------------

    @asynchronous
    async def test_what_is_put_is_read_by_everybody(self) -> None:
        one, other = self.timetable(), self.timetable()
        assert await other.changes(BOOK, 0) == Changes(0, [], [])
        version = await one.put(BOOK, [Kept("a", b"1"), Kept("b", b"\xff\x00")])
        changes = await other.changes(BOOK, 0)
        assert changes.version == version > 0
        assert sorted(changes.kept, key=lambda kept: kept.name) == [Kept("a", b"1"), Kept("b", b"\xff\x00")]
        assert await other.changes(BOOK, version) == Changes(version, [], [])
        assert await other.changes("another", 0) == Changes(0, [], [])

    @asynchronous
    async def test_only_what_changed_is_told(self) -> None:
        table = self.timetable()
        before = await table.put(BOOK, [Kept(f"e{number}", b"1") for number in range(100)])
        after = await table.put(BOOK, [Kept("e7", b"2")])
        assert await table.changes(BOOK, before) == Changes(after, [Kept("e7", b"2")], [])
        assert await table.drop(BOOK, ["e8", "nobody", "e8"]) == 1
        changes = await table.changes(BOOK, after)
        assert (changes.kept, changes.dropped, changes.whole) == ([], ["e8"], False)
        assert await table.drop(BOOK, ["e8"]) == 0
        assert (await table.changes(BOOK, changes.version)).version == changes.version
        await table.put(BOOK, [Kept("e8", b"3")])
        again = await table.changes(BOOK, changes.version)
        assert (again.kept, again.dropped) == ([Kept("e8", b"3")], [])

    @asynchronous
    async def test_who_is_far_behind_reads_everything_anew(self) -> None:
        table = self.timetable()
        before = await table.put(BOOK, [Kept("stays", b"1")])
        crowd = [f"e{number}" for number in range(1100)]
        await table.put(BOOK, [Kept(name, b"1") for name in crowd])
        for name in crowd:
            await table.drop(BOOK, [name])
        changes = await table.changes(BOOK, before)
        assert (changes.kept, changes.dropped, changes.whole) == ([Kept("stays", b"1")], [], True)
        assert (await table.changes(BOOK, changes.version + 5)).whole  # a book that was lost and begun anew

    # Leadership -------------------------------------------------------------------------------------------------------

    @asynchronous
    async def test_one_leads_and_the_others_know_how_long(self) -> None:
        one, other = self.timetable(), self.timetable()
        first, second = beat_id(), beat_id()
        epoch = await self.leading(one, first)
        refused = await other.lead(BOOK, second, lease=10)
        assert refused.epoch is None
        assert 9 < refused.left <= 10
        self.advance(6)
        assert await self.leading(one, first) == epoch
        self.advance(6)
        assert (await other.lead(BOOK, second, lease=10)).epoch is None
        assert (await other.lead("another", second, lease=10)).epoch is not None
        self.advance(4.5)
        assert await self.leading(other, second) > epoch
        assert (await one.lead(BOOK, first, lease=10)).epoch is None

    @asynchronous
    async def test_who_resigns_is_followed_at_once(self) -> None:
        one, other = self.timetable(), self.timetable()
        first, second = beat_id(), beat_id()
        epoch = await self.leading(one, first)
        await other.resign(BOOK, second)
        assert (await other.lead(BOOK, second, lease=10)).epoch is None
        await one.resign(BOOK, first)
        assert await self.leading(other, second) > epoch

    # Ticks ------------------------------------------------------------------------------------------------------------

    @asynchronous
    async def test_a_tick_is_published_once_and_marked(self) -> None:
        table, beat = self.timetable(), beat_id()
        epoch = await self.leading(table, beat)
        (receipt,) = await table.tick(BOOK, beat, epoch, [tick("a", 100.5)], deadline=5)
        assert isinstance(receipt, Accepted)
        assert await table.marks(BOOK) == {"a": Mark(100.5, 1)}
        assert await table.tick(BOOK, beat, epoch, [tick("a", 100.5), tick("a", 99)], deadline=5) == [SEEN, SEEN]
        assert await self.waiting() == ["a@100.5"]

    @asynchronous
    async def test_ticks_of_many_entries_go_in_one_call_each_by_itself(self) -> None:
        table, beat = self.timetable(), beat_id()
        epoch = await self.leading(table, beat)
        await table.tick(BOOK, beat, epoch, [tick("b", 7)], deadline=5)
        ticks = [tick("a", 5), tick("a", 6), tick("b", 7), tick("c", 5, call("c1"), call("c2")), tick("d", 1, runs=0)]
        ticks += [tick(f"e{number}", 1) for number in range(200)]
        receipts = await table.tick(BOOK, beat, epoch, ticks, deadline=5)
        assert [type(receipt) for receipt in receipts if receipt is not SEEN] == [Accepted] * 204
        assert receipts[2] == SEEN
        assert await table.marks(BOOK, ["a", "d", "nobody"]) == {"a": Mark(6, 2), "d": Mark(1, 0)}
        assert len(await table.marks(BOOK)) == 204
        waiting = await self.waiting()
        assert waiting[:5] == ["b@7", "a@5", "a@6", "c1", "c2"]
        assert len(waiting) == 206

    @asynchronous
    async def test_a_mark_may_be_set_further_and_without_a_message(self) -> None:
        table, beat = self.timetable(), beat_id()
        epoch = await self.leading(table, beat)
        await table.tick(BOOK, beat, epoch, [tick("a", 5, mark=50.25), Tick("b", 8, 8, (), 0)], deadline=5)
        assert await table.marks(BOOK) == {"a": Mark(50.25, 1), "b": Mark(8, 0)}
        assert await table.tick(BOOK, beat, epoch, [tick("a", 50.25)], deadline=5) == [SEEN]
        (accepted,) = await table.tick(BOOK, beat, epoch, [tick("a", 50.5)], deadline=5)
        assert isinstance(accepted, Accepted)
        assert await self.waiting() == ["a@5", "a@50.5"]

    @asynchronous
    async def test_who_no_longer_leads_publishes_nothing(self) -> None:
        table, other = self.timetable(), self.timetable()
        beat, next_one = beat_id(), beat_id()
        epoch = await self.leading(table, beat)
        self.advance(11)
        new = await self.leading(other, next_one)
        assert await table.tick(BOOK, beat, epoch, [tick("a", 5), tick("b", 5)], deadline=5) == [FENCED, FENCED]
        await table.forget(BOOK, beat, epoch, ["a"])
        await other.tick(BOOK, next_one, new, [tick("a", 5)], deadline=5)
        await table.forget(BOOK, beat, epoch, ["a"])
        assert await table.marks(BOOK) == {"a": Mark(5, 1)}
        self.advance(11)
        again = await self.leading(table, beat)  # the same beat, leading anew: what it sent before is late
        assert again > new > epoch
        assert await table.tick(BOOK, beat, epoch, [tick("a", 6)], deadline=5) == [FENCED]
        assert await self.waiting() == ["a@5"]

    @asynchronous
    async def test_what_cannot_be_published_is_refused_alone(self) -> None:
        table, beat = self.timetable(), beat_id()
        epoch = await self.leading(table, beat)
        bad = call("bad")
        bad.message.headers.stamps = {"no": {object()}}
        receipts = await table.tick(BOOK, beat, epoch, [tick("a", 1, bad), tick("b", 1)], deadline=5)
        assert [type(receipt) for receipt in receipts] == [Refused, Accepted]
        assert await table.marks(BOOK) == {"b": Mark(1, 1)}
        assert await self.waiting() == ["b@1"]

    @asynchronous
    async def test_a_delayed_tick_waits_in_the_broker(self) -> None:
        table, beat = self.timetable(), beat_id()
        epoch = await self.leading(table, beat)
        await table.tick(BOOK, beat, epoch, [tick("a", 1, call("later", due=self.now() + 60))], deadline=5)
        assert (await self.depth(QUEUE)).delayed == 1
        self.advance(61)
        assert await self.waiting() == ["later"]

    # Forgetting -------------------------------------------------------------------------------------------------------

    @asynchronous
    async def test_a_deleted_entry_takes_its_mark_along(self) -> None:
        table, beat = self.timetable(), beat_id()
        epoch = await self.leading(table, beat)
        await table.put(BOOK, [Kept("a", b"1"), Kept("b", b"1")])
        await table.tick(BOOK, beat, epoch, [tick("a", 1), tick("b", 1), tick("c", 1)], deadline=5)
        await table.drop(BOOK, ["a"])
        assert set(await table.marks(BOOK)) == {"b", "c"}
        await table.forget(BOOK, beat, epoch, ["c"])
        assert set(await table.marks(BOOK)) == {"b"}
