"""A walk at random through the broker port, beside the model: publish, claim, settle, crash, rescue, and what else."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from umbel.core.delivery import (
    Accepted,
    Ack,
    Begin,
    Bury,
    Delivery,
    Disposition,
    Keep,
    Park,
    Release,
    Revocation,
    Settled,
    Settlement,
    Ticket,
    Want,
)
from umbel.testing.clock import FakeClock
from umbel.testing.conformance.model import Holder, Item, Model
from umbel.testing.conformance.site import LEASE, LOSS, Site, call, new_id, success

T = TypeVar("T")
QUEUES = ("one", "two")
MOST_HOLDERS = 5
PURGED_FROM = 25
"""How many messages there have been before a queue is purged: walks go somewhere first."""
LATER = (0.5, 4.0, 20.0)
"""Seconds ahead of due times, and of steps of the clock: less than half a lease each, but the last."""

queues = st.sampled_from([("one",), ("two",), ("one", "two"), ("two", "one")])
laters = st.none() | st.sampled_from(LATER)


class Walk(RuleBasedStateMachine):
    """One walk. A subclass says how to make its site."""

    make_site: Callable[[], Site]

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self.site = type(self).make_site()
        self.broker = self.site.broker()
        self.store = self.site.store()
        self.model = Model()
        self._names = 0
        self._letters: dict[str, Item] = {}
        self.run(self._begin())

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """Do it on the walk's loop."""
        return self._runner.run(step)

    async def _begin(self) -> None:
        self.producer = self.broker.producer()
        self.chief = await self._open(width=0)
        self.keeper = self.broker.keeper(self.chief.consumer)
        for width in (1, 2):
            await self._open(width)

    @property
    def now(self) -> float:
        """Wall time by the site's clock."""
        return self.site.clock.now()

    # What there is to choose from -------------------------------------------------------------------------------------

    def holders(self, *states: str) -> list[Holder]:
        """Consumers in these states, the supervisor left out."""
        return [one for one in self.model.holders if one.state in states and one is not self.chief]

    def pick(self, data: st.DataObject, choices: Sequence[T], what: str) -> T:
        """One of them, by its place."""
        return choices[data.draw(st.integers(0, len(choices) - 1), label=what)]

    def name(self) -> str:
        """One that no message had."""
        self._names += 1
        return f"n{self._names}"

    # Messages come ----------------------------------------------------------------------------------------------------

    @rule(queue=st.sampled_from(QUEUES), later=laters, count=st.integers(1, 6))
    def publish(self, queue: str, later: float | None, count: int) -> None:
        due = None if later is None else self.now + later
        names = [self.name() for _ in range(count)]
        batch = [call(name, queue=queue, due=due) for name in names]
        receipts = self.run(self.producer.publish(batch, deadline=5))
        assert [type(receipt) for receipt in receipts] == [Accepted] * count
        for name in names:
            self.model.publish(name, queue, due)

    # Processes come and go --------------------------------------------------------------------------------------------

    async def _open(self, width: int) -> Holder:
        consumer = self.broker.consumer(new_id(), node="n1", queues=QUEUES if width else ())
        assert await consumer.open(lease=LEASE, width=width) == frozenset()
        holder = Holder(consumer, width)
        self.model.holders.append(holder)
        return holder

    @precondition(lambda self: len(self.holders("live", "lapsed")) < MOST_HOLDERS)
    @rule(width=st.integers(1, 3))
    def start(self, width: int) -> None:
        self.run(self._open(width))

    @precondition(lambda self: self.holders("live"))
    @rule(data=st.data(), how=st.sampled_from(["crash", "crash", "leave"]))
    def part(self, data: st.DataObject, how: str) -> None:
        if how == "leave":
            self._leave(data)
        else:
            self._crash(data)

    def _crash(self, data: st.DataObject) -> None:
        dead = self.pick(data, self.holders("live"), "who")
        self.site.lapse(dead.consumer)
        dead.state = "lapsed"
        self.run(self._renew_all())

    def _leave(self, data: st.DataObject) -> None:
        holder = self.pick(data, self.holders("live"), "who")
        self.run(holder.consumer.close())
        self.model.give_all_back(holder, list(holder.claims))
        holder.state = "left"

    @precondition(lambda self: self.holders("live", "fenced"))
    @rule(data=st.data(), forgets=st.booleans())
    def connect_again(self, data: st.DataObject, forgets: bool) -> None:
        """With all that it has in hand, or without some of it: the answer to a claim was lost on its way."""
        holder = self.pick(data, self.holders("live", "fenced"), "who")
        holding = list(holder.claims)[: -1 if forgets else None] + holder.spent[-2:]
        kept = self.run(holder.consumer.open(lease=LEASE, width=holder.width, holding=holding))
        assert kept == frozenset(holder.claims) & frozenset(holding)
        self.model.give_all_back(holder, [ticket for ticket in holder.claims if ticket not in kept])
        holder.state, holder.adopted = "live", 0

    @rule(seconds=st.sampled_from(LATER[:2]))
    def pass_time(self, seconds: float) -> None:
        assert isinstance(self.site.clock, FakeClock)
        self.site.clock.advance(seconds)
        self.run(self._renew_all())

    async def _renew_all(self) -> None:
        for holder in self.model.holders:
            if holder.state == "live":
                assert await holder.consumer.renew(holder.claims) == frozenset()

    # Claims and settlements -------------------------------------------------------------------------------------------

    @precondition(lambda self: self.holders("live"))
    @rule(data=st.data(), wanted=queues, limit=st.integers(1, 6))
    def claim(self, data: st.DataObject, wanted: tuple[str, ...], limit: int) -> None:
        self._claim(data, wanted, limit)

    @precondition(lambda self: self.holders("live"))
    @rule(data=st.data(), first=st.integers(1, 6), then=st.integers(1, 3))
    def claim_and_settle(self, data: st.DataObject, first: int, then: int) -> None:
        self._claim(data, QUEUES, first)
        if any(one.claims for one in self.model.holders if one.state == "live"):
            self._settle(data, then)

    def _claim(self, data: st.DataObject, wanted: tuple[str, ...], limit: int) -> None:
        holder = self.pick(data, self.holders("live"), "who")
        ready = self.model.ready(wanted, self.now)
        turn = self.run(holder.consumer.exchange([], Want(wanted, limit)))
        assert not turn.lost
        taken = [self._known(one) for one in turn.deliveries]
        assert len(taken) == min(limit, len(ready)), f"claimed {len(taken)} of {len(ready)}"
        assert set(taken) <= set(ready), "claimed what somebody else has, what is not due, or what is not there"
        for queue in wanted:
            problem = self.model.problems_of_order(queue, [item for item in taken if item.queue == queue])
            assert problem is None, problem
        for one, item in zip(turn.deliveries, taken, strict=True):
            self._record(holder, one, item)

    def _known(self, one: Delivery) -> Item:
        assert one.message is not None
        item = self.model.items[one.message.headers.task]
        assert (one.queue, one.losses) == (item.queue, item.losses)
        assert one.unknown_since == item.unknown_since
        if item.granted is not None:
            assert one.granted == item.granted
        return item

    def _record(self, holder: Holder, one: Delivery, item: Item) -> None:
        assert one.ticket.consumer == holder.consumer.id
        assert one.ticket not in {*holder.claims, *holder.spent}, "a ticket is never used twice"
        self.model.claim(holder, one.ticket, item)

    @precondition(lambda self: any(one.claims for one in self.model.holders if one.state == "live"))
    @rule(data=st.data(), count=st.integers(1, 3))
    def settle(self, data: st.DataObject, count: int) -> None:
        self._settle(data, count)

    @precondition(lambda self: any(one.claims for one in self.model.holders if one.state == "live"))
    @rule(data=st.data())
    def settle_many(self, data: st.DataObject) -> None:
        self._settle(data, 6)

    def _settle(self, data: st.DataObject, count: int) -> None:
        holders = [one for one in self.model.holders if one.state == "live" and one.claims]
        holder = self.pick(data, holders, "who")
        tickets = [*holder.claims, *holder.spent[-1:]]
        batch = [self._settlement(data, self.pick(data, tickets, "ticket"), holder) for _ in range(count)]
        turn = self.run(holder.consumer.exchange([settlement for settlement, _ in batch], Want((), 0)))
        assert not turn.lost
        for (settlement, item), verdict in zip(batch, turn.verdicts, strict=True):
            done = self.model.settle(holder, settlement, self.now)
            assert isinstance(verdict, Settled) == done, f"{settlement} was answered by {verdict}"
            if done:
                for outgoing in settlement.publish:
                    follower = self.model.publish(outgoing.message.headers.task, outgoing.queue, outgoing.due)
                    if any(isinstance(other.disposition, Release) for other, _ in batch):
                        follower.place = None  # of what one exchange puts into a queue, no order is promised
                if settlement.ops and item is not None:
                    self.model.records.add(item.name)

    def _settlement(self, data: st.DataObject, ticket: Ticket, holder: Holder) -> tuple[Settlement, Item | None]:
        item = holder.claims.get(ticket)
        follows = (call(self.name(), queue="two"),) if data.draw(st.booleans(), label="publishes") else ()
        stores = item is not None and data.draw(st.booleans(), label="stores")
        ops = (self.store.compile(success(item.name)),) if stores and item is not None else ()
        return Settlement(ticket, self._disposition(data), follows, ops), item

    def _disposition(self, data: st.DataObject) -> Disposition:
        kind = data.draw(
            st.sampled_from(["lost", "front", "begin", "park", "bury", "back", "ack", "keep"]), label="what"
        )
        loss = LOSS if kind in ("lost", "bury") else None
        match kind:
            case "keep":
                return Keep()
            case "begin":
                return Begin()
            case "front" | "back" | "lost":
                return Release(front=kind != "back", loss=loss)
            case "park":
                until = self.now + data.draw(st.sampled_from(LATER), label="later")
                return Park(until, data.draw(st.sampled_from(["eta", "rate", "unknown"]), label="why"))
            case "bury":
                return Bury("failed", "Error: no", "Traceback", loss)
            case _:
                return Ack()

    # The dead and their claims ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.holders("fenced"))
    @rule(data=st.data())
    def come_back_late(self, data: st.DataObject) -> None:
        """Who was adopted from can do nothing, whatever it still believes to hold."""
        late = self.pick(data, self.holders("fenced"), "who")
        tickets = [*late.claims, *late.spent[-2:]]
        settlements = [Settlement(ticket, Ack(), (call(self.name()),)) for ticket in tickets]
        turn = self.run(late.consumer.exchange(settlements, Want(QUEUES, 3)))
        assert (turn.lost, turn.deliveries) == (True, [])
        assert not any(isinstance(verdict, Settled) for verdict in turn.verdicts)
        assert self.run(late.consumer.renew(tickets)) == frozenset(tickets)

    @rule(data=st.data(), limit=st.integers(1, 5), named=st.booleans())
    def rescue(self, data: st.DataObject, limit: int, named: bool) -> None:
        lapsed = self.holders("lapsed", "fenced")
        if named and lapsed:
            lapsed = [self.pick(data, lapsed, "whom")]
        named = named and bool(lapsed)
        adopted = self.run(self.keeper.adopt(lapsed[0].consumer.id if named else None, limit))
        assert len(adopted) == min(limit, sum(len(one.claims) for one in lapsed))
        exhausted = len(adopted) < limit
        for one in adopted:
            (holder,) = [other for other in lapsed if other.consumer.id == one.was]
            ticket = min(holder.claims, key=lambda ticket: ticket.serial)
            item = holder.claims.pop(ticket)
            assert (one.serial, one.rank, one.width) == (ticket.serial, holder.adopted, holder.width)
            assert one.begun == item.begun
            assert self._known(one.delivery) is item
            holder.spent.append(ticket)
            holder.adopted += 1
            holder.state = "fenced"
            self._record(self.chief, one.delivery, item)
        for holder in lapsed:
            if not holder.claims and holder.state == "lapsed" and exhausted:
                holder.state = "fenced"  # it held nothing, and is off the register

    @precondition(lambda self: any(one.claims for one in self.holders("live")))
    @rule(data=st.data())
    def recall(self, data: st.DataObject) -> None:
        """A supervisor takes back what a process has not started."""
        holder = self.pick(data, [one for one in self.holders("live") if one.claims], "who")
        serials = sorted(ticket.serial for ticket in holder.claims)
        above, last = (self.pick(data, [0, *serials], label) for label in ("above", "last"))
        keep = [ticket for ticket in holder.claims if data.draw(st.booleans(), label="kept")]
        going = [ticket for ticket in holder.claims if above < ticket.serial <= last and ticket not in keep]
        assert self.run(self.keeper.recall(holder.consumer.id, last=last, keep=keep, above=above)) == len(going)
        self.model.give_all_back(holder, going)

    # An operator ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.items) > PURGED_FROM)
    @rule(queue=st.sampled_from(QUEUES))
    def purge(self, queue: str) -> None:
        waiting = [item for item in self.model.items.values() if item.queue == queue and item.where == "waiting"]
        assert self.run(self.keeper.purge(queue)) == len(waiting)
        for item in waiting:
            item.where = "gone"

    @precondition(lambda self: self._letters)
    @rule(data=st.data(), again=st.booleans(), by_name=st.booleans())
    def see_to_a_letter(self, data: st.DataObject, again: bool, by_name: bool) -> None:
        id = self.pick(data, sorted(self._letters), "letter")
        item = self._letters[id]
        verb: Callable[[Sequence[str]], Awaitable[int]] = self.keeper.revive if again else self.keeper.discard

        async def see() -> int:
            return await verb([item.name if by_name else id, "nobody"])

        assert self.run(see()) == 1
        if again:
            self.model.revive(item)
        else:
            self.model.buried.remove(item)
            item.where = "gone"

    @precondition(lambda self: self.model.items)
    @rule(data=st.data(), how=st.sampled_from(["mark", "terminate", "pardon"]))
    def revoke(self, data: st.DataObject, how: str) -> None:
        name = self.pick(data, list(self.model.items), "which")
        if how == "pardon":
            version = self.run(self.keeper.pardon([name]))
            self.model.revoked.pop(name, None)
        else:
            signal = "SIGTERM" if how == "terminate" else None
            version = self.run(self.keeper.revoke([Revocation(name, signal)], expires=1e6))
            self.model.revoked[name] = signal or self.model.revoked.get(name)
        found = {name: Revocation(name, signal) for name, signal in self.model.revoked.items()}
        assert self.run(self.keeper.revoked()) == (version, found)
        assert self.run(self.chief.consumer.exchange([], Want((), 0))).revocations == version

    # What holds after each step, and at the end -----------------------------------------------------------------------

    @invariant()
    def every_message_is_in_one_place(self) -> None:
        depths = self.run(self.keeper.survey(QUEUES))
        found = {depth.queue: (depth.ready + depth.delayed, depth.claimed, depth.dead) for depth in depths}
        assert found == {queue: self.model.counts(queue) for queue in QUEUES}

    @invariant()
    def dead_letters_are_kept_with_their_losses(self) -> None:
        if not self.model.buried and not self._letters:
            return
        letters = self.run(self.keeper.dead())
        self._letters = {one.id: self.model.items[one.message.headers.task] for one in letters if one.message}
        assert sorted(self._letters.values(), key=id) == sorted(self.model.buried, key=id)
        assert [len(one.history) for one in letters] == [self._letters[one.id].losses for one in letters]

    def teardown(self) -> None:
        try:
            self.run(self._drain())
        finally:
            self.run(self._close())
            self.broker.close()
            self._runner.close()
            self.site.close()

    async def _close(self) -> None:
        for holder in self.model.holders:
            await holder.consumer.close()
        await self.keeper.close()
        await self.producer.close()
        await self.store.close()

    async def _drain(self) -> None:
        """Whoever is left dies; then all that is not done is there once, and nothing else."""
        for holder in self.holders("live"):
            self.site.lapse(holder.consumer)
            await self.chief.consumer.renew(())
            holder.state = "lapsed"
        for holder in self.holders("lapsed", "fenced"):
            while adopted := await self.keeper.adopt(holder.consumer.id, 100):
                back = [Settlement(one.delivery.ticket, Release()) for one in adopted]
                await self.chief.consumer.exchange(back, Want((), 0))
        held = [Settlement(ticket, Release()) for ticket in self.chief.claims]
        await self.chief.consumer.exchange(held, Want((), 0))
        assert isinstance(self.site.clock, FakeClock)
        self.site.clock.advance(LATER[-1] + 1)
        last = self.broker.consumer(new_id(), node="n1", queues=QUEUES)
        await last.open(lease=LEASE, width=1)
        found: list[str] = []
        while batch := (await last.exchange([], Want(QUEUES, 100))).deliveries:
            found += [one.message.headers.task for one in batch if one.message is not None]
        assert sorted(found) == sorted(i.name for i in self.model.items.values() if i.where in ("waiting", "claimed"))
        assert (await self.store.read(list(self.model.items))).keys() == self.model.records
        await last.close()
