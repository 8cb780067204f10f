"""One consumer of a memory broker: alive while its lease, counted by the clock, has not lapsed."""

import os
from collections.abc import Iterable, Iterator, Sequence

from umbel.broker.memory.state import Entry, Key, Member, State, entry_of
from umbel.core import errors
from umbel.core.delivery import (
    GONE,
    SETTLED,
    Ack,
    Begin,
    Bury,
    ConsumerId,
    Delivery,
    Disposition,
    Garbage,
    Keep,
    Loss,
    Park,
    Refused,
    Release,
    Settled,
    Settlement,
    Ticket,
    Turn,
    Verdict,
    Want,
)
from umbel.core.joining import Joined
from umbel.drivers.memory import Ask, Space, Write
from umbel.runtime.clock import Clock
from umbel.wire import envelope


class MemoryConsumer:
    """See ``broker.base.Consumer``."""

    def __init__(
        self, space: Space, state: State, clock: Clock, id: ConsumerId, *, node: str, queues: Sequence[str]
    ) -> None:
        self.id = id
        self._space = space
        self._state = state
        self._clock = clock
        self._node = node
        self._queues = tuple(queues)
        self._lease = 0.0
        self._generation = 0
        self._serial = 0
        self._revocations = 0

    # The port ---------------------------------------------------------------------------------------------------------

    async def open(self, *, lease: float, width: int, holding: Iterable[Ticket] = ()) -> frozenset[Ticket]:
        """As the port says."""
        in_hand = frozenset(holding)
        self._lease = lease
        self._generation += 1
        with self._space.lock:
            member = self._state.members.get(self.id)
            if member is None:
                member = Member(self.id, self._node, None, width, self._queues, 0.0)
                self._state.members[self.id] = member
            member.node, member.pid, member.queues = self._node, os.getpid(), self._queues
            member.width, member.adopted = width, 0
            member.ends = self._clock.monotonic() + lease
            self._release(member, [key for key in member.claims if self._ticket(key) not in in_hand])
            return frozenset(map(self._ticket, member.claims))

    async def exchange(self, settlements: Sequence[Settlement], want: Want) -> Turn:
        """As the port says. A consumer whose lease lapsed settles nothing, adopted or not."""
        now = self._clock.now()
        with self._space.lock:
            member = self._state.members.get(self.id)
            if member is None or not member.live(self._clock.monotonic()):
                return Turn([GONE] * len(settlements), [], revocations=self._revocations, lost=True)
            member.ends = self._clock.monotonic() + self._lease
            self._queues = want.queues or self._queues
            verdicts = [self._settle(member, settlement, now) for settlement in settlements]
            self._promote(now)
            claimed = self._state.claim(member, want.queues, want.limit, self._keys())
            self._revocations = self._state.revocations
            left = self._due_in(now)
        deliveries = [self._delivery(key, entry) for key, entry in claimed]
        if any(settlement.publish or type(settlement.disposition) is not Ack for settlement in settlements):
            self._space.changed()
        return Turn(verdicts, deliveries, left, self._revocations)

    async def wait(self, timeout: float) -> None:
        """As the port says."""
        end = self._clock.monotonic() + timeout

        def ready() -> float | None:
            now = self._clock.now()
            with self._space.lock:
                self._promote(now)
                waiting = any(self._state.queue(name).ready for name in self._queues)
                due = self._due_in(now)
                left = end - self._clock.monotonic()
                if waiting or left <= 0 or self._state.revocations != self._revocations:
                    return None
            return left if due is None else min(left, due)

        await self._space.wait(ready, self._clock)

    async def renew(self, holding: Iterable[Ticket]) -> frozenset[Ticket]:
        """As the port says. A lease that lapsed is renewed as long as nobody adopted."""
        in_hand = frozenset(holding)
        with self._space.lock:
            member = self._state.members.get(self.id)
            if member is None or member.adopted:
                return in_hand
            member.ends = self._clock.monotonic() + self._lease
            return in_hand - frozenset(map(self._ticket, member.claims))

    async def close(self) -> None:
        """As the port says."""
        with self._space.lock:
            member = self._state.members.pop(self.id, None)
            if member is not None:
                self._release(member, list(member.claims))
        self._space.changed()

    # For the keeper, which adopts under tickets of this consumer ------------------------------------------------------

    def member(self) -> Member:
        """Who adopts. Raises ``RuntimeError`` before ``open``."""
        member = self._state.members.get(self.id)
        if member is None:
            raise RuntimeError(f"consumer {self.id} is not open")
        return member

    def take_over(self, entry: Entry) -> Delivery:
        """Record a message under a new ticket of this consumer."""
        key = next(self._keys())
        self.member().claims[key] = entry
        return self._delivery(key, entry)

    # Inside -----------------------------------------------------------------------------------------------------------

    def _keys(self) -> Iterator[Key]:
        while True:
            self._serial += 1
            yield self._generation, self._serial

    def _ticket(self, key: Key) -> Ticket:
        return Ticket(self.id, *key)

    def _release(self, member: Member, keys: list[Key]) -> None:
        for key in keys:
            self._state.release(member.claims.pop(key))

    def _promote(self, now: float) -> None:
        for name in self._queues:
            self._state.queue(name).promote(now)

    def _due_in(self, now: float) -> float | None:
        dues = [due for name in self._queues if (due := self._state.queue(name).next_due()) is not None]
        return max(0.0, min(dues) - now) if dues else None

    def _delivery(self, key: Key, entry: Entry) -> Delivery:
        delivery = Delivery(self._ticket(key), entry.queue, None)
        try:
            delivery.message = envelope.decode(entry.head, entry.body)
        except errors.Undecodable as exc:
            delivery.undecodable = Garbage(exc.reason, entry.head + entry.body)
        delivery.losses, delivery.redelivered = entry.losses, entry.redelivered
        delivery.unknown_since, delivery.granted = entry.unknown_since, entry.granted
        return delivery

    def _settle(self, member: Member, settlement: Settlement, now: float) -> Verdict:
        ticket = settlement.ticket
        entry = member.claims.get(ticket[1:]) if ticket.consumer == self.id else None
        if entry is None:
            return GONE
        try:
            entries = [entry_of(outgoing) for outgoing in settlement.publish]
            joined = _perform(settlement.ops)
        except Exception as exc:  # noqa: BLE001  whatever it is, it is this settlement's alone
            return Refused(exc)
        self._state.publish(entries)
        if joined:
            return Settled(tuple(joined))
        if not isinstance(settlement.disposition, Keep | Begin):
            del member.claims[ticket[1:]]
        self._dispose(entry, settlement.disposition, now)
        return SETTLED

    def _dispose(self, entry: Entry, disposition: Disposition, now: float) -> None:
        match disposition:
            case Begin():
                entry.begun = True
            case Release(front, loss):
                _count(entry, loss)
                self._state.release(entry, front=front)
            case Park(until, why):
                entry.due, entry.begun = until, False
                if why == "rate":
                    entry.granted = until
                elif why == "unknown" and entry.unknown_since is None:
                    entry.unknown_since = now
                self._state.queue(entry.queue).put(entry)
            case Bury(reason, detail, traceback, loss):
                _count(entry, loss)
                self._state.bury(entry, reason, detail, traceback, now)
            case Keep() | Ack():
                pass


def _count(entry: Entry, loss: Loss | None) -> None:
    if loss is not None:
        entry.losses += 1
        entry.history = (*entry.history, loss)


def _perform(ops: Sequence[Write | Ask]) -> list[Joined]:
    """Do all or, if one fails, none. Returns the joins that were completed."""
    undo = []
    joined: list[Joined] = []
    try:
        for op in ops:
            if isinstance(op, Ask):
                back, answer = op.perform()
                if answer is not None:
                    joined.append(answer)
            else:
                back = op.perform()
            undo.append(back)
    except BaseException:
        for back in reversed(undo):
            back()
        raise
    return joined
