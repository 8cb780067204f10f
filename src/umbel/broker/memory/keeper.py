"""Looks after what lapsed consumers of a memory broker held, and after all that expires."""

from collections.abc import Iterable, Sequence

from umbel.broker.memory.consumer import MemoryConsumer
from umbel.broker.memory.state import Letter, Member, State
from umbel.core import delivery as port
from umbel.core import errors
from umbel.core.delivery import Adopted, ConsumerId, DeadLetter, Depth, Revocation, Ticket
from umbel.drivers.memory import Space
from umbel.runtime.clock import Clock
from umbel.wire import envelope


class MemoryKeeper:
    """See ``broker.base.Admin`` and ``RenewFor``."""

    def __init__(
        self,
        space: Space,
        state: State,
        clock: Clock,
        consumer: MemoryConsumer,
        *,
        dead_expires: float,
        dead_limit: int,
    ) -> None:
        self._space = space
        self._state = state
        self._clock = clock
        self._consumer = consumer
        self._dead_expires = dead_expires
        self._dead_limit = dead_limit

    # Keeper -----------------------------------------------------------------------------------------------------------

    async def adopt(self, dead: ConsumerId | None, limit: int) -> list[Adopted]:
        """As the port says."""
        with self._space.lock:
            self._consumer.member()
            now = self._clock.monotonic()
            members = [m for m in self._state.members.values() if (m.ends <= now if dead is None else m.id == dead)]
            adopted: list[Adopted] = []
            for member in members:
                if member.id != self._consumer.id and len(adopted) < limit:
                    adopted += self._adopt_from(member, limit - len(adopted))
            return adopted

    async def recall(self, consumer: ConsumerId, *, last: int, keep: Iterable[Ticket], above: int = 0) -> int:
        """As the port says."""
        kept = {(ticket.generation, ticket.serial) for ticket in keep if ticket.consumer == consumer}
        with self._space.lock:
            member = self._state.members.get(consumer)
            claims = member.claims if member else {}
            keys = [key for key in claims if above < key[1] <= last and key not in kept]
            for key in keys:
                self._state.release(claims.pop(key))
        self._space.changed()
        return len(keys)

    async def hasten(self, queue: str, limit: int) -> int:
        """As the port says."""
        with self._space.lock:
            found = self._state.queues.get(queue)
            count = found.hasten(limit) if found is not None else 0
        self._space.changed()
        return count

    async def survey(self, queues: Iterable[str] | None) -> list[Depth]:
        """As the port says."""
        return survey(self._space, self._state, self._clock, queues)

    async def purge(self, queue: str) -> int:
        """As the port says."""
        with self._space.lock:
            found = self._state.queues.pop(queue, None)
            return 0 if found is None else found.ready + found.delayed

    async def prune(self) -> int:
        """As the port says."""
        now = self._clock.now()
        with self._space.lock:
            before = len(self._state.dead) + len(self._state.revoked) + len(self._state.rates)
            kept = [letter for letter in self._state.dead.values() if letter.at >= now - self._dead_expires]
            self._state.dead = {letter.number: letter for letter in kept[max(0, len(kept) - self._dead_limit) :]}
            self._state.revoked = {id: mark for id, mark in self._state.revoked.items() if mark[1] >= now}
            self._state.rates = {name: next for name, next in self._state.rates.items() if next >= now}
            return before - len(self._state.dead) - len(self._state.revoked) - len(self._state.rates)

    async def close(self) -> None:
        """Nothing is held."""

    # RenewFor ---------------------------------------------------------------------------------------------------------

    async def enroll(self, consumer: ConsumerId, *, lease: float, width: int) -> None:
        """As the port says."""
        with self._space.lock:
            ends = self._clock.monotonic() + lease
            self._state.members[consumer] = Member(consumer, "", None, width, (), ends)

    async def renew_for(self, consumers: Iterable[ConsumerId], *, lease: float) -> frozenset[ConsumerId]:
        """As the port says."""
        unknown = set()
        with self._space.lock:
            for id in consumers:
                member = self._state.members.get(id)
                if member is None or member.adopted:
                    unknown.add(id)
                else:
                    member.ends = self._clock.monotonic() + lease
        return frozenset(unknown)

    # Limits -----------------------------------------------------------------------------------------------------------

    async def slots(self, name: str, interval: float, count: int) -> list[float]:
        """As the port says."""
        with self._space.lock:
            first = max(self._clock.now(), self._state.rates.get(name, 0.0))
            self._state.rates[name] = first + count * interval
        return [first + index * interval for index in range(count)]

    # Revocations ------------------------------------------------------------------------------------------------------

    async def revoke(self, marks: Sequence[Revocation], *, expires: float) -> int:
        """As the port says."""
        until = self._clock.now() + expires
        with self._space.lock:
            for mark in marks:
                terminate, before = self._state.revoked.get(mark.task_id, (None, 0.0))
                self._state.revoked[mark.task_id] = mark.terminate or terminate, max(until, before)
            self._state.revocations += 1
            version = self._state.revocations
        self._space.changed()
        return version

    async def revoked(self) -> tuple[int, dict[str, Revocation]]:
        """As the port says."""
        now = self._clock.now()
        with self._space.lock:
            marks = {id: Revocation(id, mark[0]) for id, mark in self._state.revoked.items() if mark[1] >= now}
            return self._state.revocations, marks

    async def pardon(self, ids: Sequence[str]) -> int:
        """As the port says."""
        with self._space.lock:
            for id in ids:
                self._state.revoked.pop(id, None)
            self._state.revocations += 1
            version = self._state.revocations
        self._space.changed()
        return version

    # Register ---------------------------------------------------------------------------------------------------------

    async def members(self) -> list[port.Member]:
        """As the port says."""
        now = self._clock.monotonic()
        with self._space.lock:
            return [
                port.Member(m.id, m.node, m.pid, m.width, m.queues, len(m.claims), m.live(now))
                for m in self._state.members.values()
            ]

    # Dead letters -----------------------------------------------------------------------------------------------------

    async def dead(self, *, ids: Sequence[str] | None = None, limit: int = 100) -> list[DeadLetter]:
        """As the port says."""
        since = self._clock.now() - self._dead_expires
        with self._space.lock:
            found = [letter for letter in self._named(ids) if letter.at >= since]
        return [_shown(letter) for letter in reversed(found)][:limit]

    async def revive(self, ids: Sequence[str]) -> int:
        """As the port says."""
        with self._space.lock:
            found = self._named(ids)
            for letter in found:
                self._state.revive(self._state.dead.pop(letter.number))
        self._space.changed()
        return len(found)

    async def discard(self, ids: Sequence[str]) -> int:
        """As the port says."""
        with self._space.lock:
            found = self._named(ids)
            for letter in found:
                del self._state.dead[letter.number]
        return len(found)

    # Inside -----------------------------------------------------------------------------------------------------------

    def _adopt_from(self, member: Member, limit: int) -> list[Adopted]:
        keys = sorted(member.claims, key=lambda key: key[1])[:limit]
        if not keys:
            del self._state.members[member.id]
        adopted = []
        for key in keys:
            entry = member.claims.pop(key)
            delivery = self._consumer.take_over(entry)
            rank, serial = member.adopted, key[1]
            adopted.append(
                Adopted(delivery, member.id, serial, rank, member.width, entry.begun, False, member.node, member.pid)
            )
            member.adopted += 1
        return adopted

    def _named(self, ids: Sequence[str] | None) -> list[Letter]:
        letters = list(self._state.dead.values())
        if ids is None:
            return letters
        wanted = set(ids)
        return [letter for letter in letters if f"d{letter.number}" in wanted or letter.task_id in wanted]


def survey(space: Space, state: State, clock: Clock, queues: Iterable[str] | None) -> list[Depth]:
    """Count these queues, or all that hold a message, a dead letter, or are read by somebody alive."""
    with space.lock:
        depths = {name: Depth(name, queue.ready, queue.delayed) for name, queue in state.queues.items()}
        live = [member for member in state.members.values() if member.live(clock.monotonic())]
        for member in live:
            for name in member.queues:
                depths.setdefault(name, Depth(name)).consumers += 1
        for member in state.members.values():
            for entry in member.claims.values():
                depths.setdefault(entry.queue, Depth(entry.queue)).claimed += 1
        for letter in state.dead.values():
            depths.setdefault(letter.entry.queue, Depth(letter.entry.queue)).dead += 1
    if queues is not None:
        return [depths.get(name, Depth(name)) for name in queues]
    return [depths[name] for name in sorted(depths) if depths[name] != Depth(name)]


def _shown(letter: Letter) -> DeadLetter:
    entry = letter.entry
    shown = DeadLetter(f"d{letter.number}", entry.queue, letter.reason, letter.detail, letter.at, None)
    shown.traceback, shown.history = letter.traceback, entry.history
    try:
        shown.message = envelope.decode(entry.head, entry.body)
    except errors.Undecodable:
        shown.raw = entry.head + entry.body
    return shown
