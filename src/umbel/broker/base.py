"""The broker port: what Umbel asks of a broker. Everything is a batch; every verb may be repeated after a cut.

An adapter gives three narrow things, and says what it promises:

- a ``Producer`` (and its blocking twin) puts messages into queues;
- a ``Consumer`` is one process's way to take messages and to settle them;
- a ``Keeper`` looks after what the dead have left, and counts.

Further powers are Protocols of their own (``RenewFor``, ``Limits``, ``Revocations``, ``Register``, ``DeadLetters``,
``Ticks``). The
suite that holds every adapter is ``umbel.testing.broker_conformance``; why each rule is there: ``docs/internals.md``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from umbel.core.delivery import (
    Adopted,
    ConsumerId,
    DeadLetter,
    Depth,
    Member,
    Outgoing,
    Receipt,
    Revocation,
    Settlement,
    Ticket,
    Turn,
    Want,
)
from umbel.core.queues import Queue
from umbel.core.timetable import Changes, Kept, Lead, Mark, Tick, TickReceipt


class Features(msgspec.Struct, frozen=True):
    """What an adapter promises; the documentation prints this table.

    ``liveness``: ``clock`` (a lease that lapses) or ``lock`` (the kernel frees it at death). ``longest_hold``: seconds
    that a message may be held, None without a limit. ``reach``: who can share it. ``largest_message``: in bytes, None
    without a limit. ``urgent_first``: which priority numbers are claimed sooner; the broker tells ``priority_steps``
    apart. ``exchanges``: it keeps tables of what is bound to what, and takes messages for an exchange.
    ``guarantees`` are numbered in ``docs/reliability.md``.
    """

    name: str
    guarantees: frozenset[str]
    liveness: Literal["clock", "lock"]
    reach: Literal["process", "machine", "network"]
    longest_hold: float | None = None
    largest_message: int | None = None
    front_release: bool = True
    atomic_publish: bool = True
    exchanges: bool = False
    urgent_first: Literal["higher", "lower"] = "higher"
    priority_steps: tuple[int, ...] = tuple(range(10))


class Producer(Protocol):
    """Puts messages into queues. One per event loop."""

    async def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """Publish all or, where the broker cannot, as many as it can: one receipt each, within ``deadline`` seconds.

        Raises ``OperationalError`` if nothing was sent, because the broker cannot be reached or refuses.
        """

    async def close(self) -> None:
        """Free the connection. Safe to repeat."""


class SyncProducer(Protocol):
    """The blocking twin, for callers without an event loop. Safe to use from many threads, and after a fork."""

    def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """As ``Producer.publish``."""

    def survey(self, queues: Iterable[str], *, deadline: float = 5.0) -> list[Depth]:
        """As ``Keeper.survey``, within ``deadline`` seconds."""

    def close(self) -> None:
        """Free the connection. Safe to repeat."""


class Consumer(Protocol):
    """One process's claims. Used by one event loop; calls do not overlap."""

    id: ConsumerId

    async def open(self, *, lease: float, width: int, holding: Iterable[Ticket] = ()) -> frozenset[Ticket]:
        """Connect, at the start and again after every lost connection, and say what is in hand.

        What is recorded for this consumer and not in ``holding`` goes back to the front of its queue; of ``holding``,
        the tickets still recorded are returned: the others are lost. ``lease`` is in seconds, ``width`` is how many
        messages run at once.
        """

    async def exchange(self, settlements: Sequence[Settlement], want: Want) -> Turn:
        """One round trip: settle, renew the lease, claim. See ``Turn``; nothing is claimed when the lease is lost.

        Raises ``OperationalError`` when the broker cannot be reached; it is then unknown whether the settlements were
        done, and repeating them is safe.
        """

    async def wait(self, timeout: float) -> None:
        """Return when there may be something to claim, after ``timeout`` seconds at the latest; may return early.

        Level-triggered since the last exchange: what arrived in between ends the wait at once.
        """

    async def renew(self, holding: Iterable[Ticket]) -> frozenset[Ticket]:
        """Renew the lease and return the tickets of ``holding`` that are no longer this consumer's."""

    async def close(self) -> None:
        """Hand back what is recorded for this consumer, uncounted, and take it off the register. Safe to repeat."""


class Keeper(Protocol):
    """Looks after the claims of the dead, and counts. Belongs to one consumer, under whose tickets it adopts."""

    async def adopt(self, dead: ConsumerId | None, limit: int) -> list[Adopted]:
        """Take over up to ``limit`` claims, oldest first: of ``dead``, whose process the caller saw end; or of anyone
        who lapsed (None). An empty answer for ``dead`` means that nothing is left and it is off the register.
        """

    async def survey(self, queues: Iterable[str] | None) -> list[Depth]:
        """Count these queues, or all that exist (None)."""

    async def purge(self, queue: str) -> int:
        """Delete what waits in a queue (ready and delayed, not what is claimed), and say how many."""

    async def prune(self) -> int:
        """Delete what has expired (old dead letters, revocations, limits), a bounded batch, and say how many."""


@runtime_checkable
class RenewFor(Protocol):
    """For brokers with clock leases: a supervisor registers a process before it starts, and stands in for it."""

    async def enroll(self, consumer: ConsumerId, *, lease: float, width: int) -> None:
        """Register ``consumer`` with a live lease."""

    async def renew_for(self, consumers: Iterable[ConsumerId], *, lease: float) -> frozenset[ConsumerId]:
        """Renew the leases of others, and return those that are not registered any more."""


@runtime_checkable
class Recall(Protocol):
    """For a supervisor whose process cannot give back what it has not started, because its I/O thread cannot run."""

    async def recall(self, consumer: ConsumerId, *, last: int, keep: Iterable[Ticket], above: int = 0) -> int:
        """Put what ``consumer`` holds back to the front of its queues, and say how many.

        Only up to the serial ``last``, which is what the caller knew of when it decided (it may have been frozen since
        then), only above the serial ``above``, which is the highest that ever started, and without ``keep``.
        """


@runtime_checkable
class Limits(Protocol):
    """Rate limits that hold across all who share the broker."""

    async def slots(self, name: str, interval: float, count: int) -> list[float]:
        """Reserve ``count`` start times (wall seconds) for ``name``, at least ``interval`` seconds apart."""


@runtime_checkable
class Revocations(Protocol):
    """The set of what must not run: task ids, and texts that stand for many (``core.revoking``)."""

    async def revoke(self, marks: Sequence[Revocation], *, expires: float) -> int:
        """Add to the set, for ``expires`` seconds, and return its new version."""

    async def revoked(self) -> tuple[int, dict[str, Revocation]]:
        """The version and the set, without what has expired."""

    async def pardon(self, ids: Sequence[str]) -> int:
        """Take these off the set, and return its new version."""


@runtime_checkable
class Register(Protocol):
    """Who may hold claims, as far as the broker knows them."""

    async def members(self) -> list[Member]:
        """All of them, also those whose lease or lock is gone and whom nobody has adopted from yet."""


@runtime_checkable
class DeadLetters(Protocol):
    """What was buried: to look at, to send again, to delete."""

    async def dead(self, *, ids: Sequence[str] | None = None, limit: int = 100) -> list[DeadLetter]:
        """The newest first, or those named by letter id or task id."""

    async def revive(self, ids: Sequence[str]) -> int:
        """Put letters back into their queues with a fresh count of losses, and say how many there were."""

    async def discard(self, ids: Sequence[str]) -> int:
        """Delete letters, and say how many there were."""


@runtime_checkable
class Delayed(Protocol):
    """What waits for its time."""

    async def hasten(self, queue: str, limit: int) -> int:
        """Make up to ``limit`` delayed messages of a queue ready now, the first due first, and say how many."""


@runtime_checkable
class WayBack(Protocol):
    """For brokers that another system reads too (Celery): nothing may stay where only Umbel finds it."""

    async def leave(self) -> int:
        """Give delayed messages back to where the other system finds them, and say how many there were."""


@runtime_checkable
class Declares(Protocol):
    """For brokers that keep tables of what is bound to what. Connects nothing."""

    def declare(self, queues: Iterable[Queue]) -> None:
        """Know these queues, their exchanges and their routing keys, before messages go there."""


@runtime_checkable
class Broadcasts(Protocol):
    """For brokers that give every worker its own copy of what is sent to a fan-out exchange."""

    async def copy(self, copies: Mapping[str, Queue], listening: Callable[[], None]) -> None:
        """Put what is sent to the exchange of each queue into its copy, until cancelled.

        ``copies`` are queues by the name of the copy, which the worker reads in their place; ``listening`` is called
        once nothing is missed any more. Raises ``OperationalError`` when the connection ends: what is sent until it is
        called again passes this worker by.
        """

    async def drop(self, copies: Iterable[str]) -> None:
        """Delete copies whose worker ends."""


class Timetable(Protocol):
    """Entries of schedules, who publishes their ticks, and which were. Used by one event loop. See ``core.timetable``.

    Every verb raises ``OperationalError`` when the broker cannot be reached.
    """

    async def put(self, book: str, entries: Sequence[Kept]) -> int:
        """Store entries, over those of the same names, and return the new version of the book."""

    async def drop(self, book: str, names: Sequence[str]) -> int:
        """Delete entries and their marks, and say how many entries there were."""

    async def changes(self, book: str, since: int) -> Changes:
        """What changed after version ``since`` (0: everything). Costs what has changed, not what there is."""

    async def marks(self, book: str, names: Sequence[str] | None = None) -> dict[str, Mark]:
        """The marks of these entries, or all."""

    async def lead(self, book: str, beat: str, *, lease: float) -> Lead:
        """Lead the book for ``lease`` seconds if nobody else does, or renew. ``beat`` is 128 random bits as hex."""

    async def resign(self, book: str, beat: str) -> None:
        """Lead no more, so that the next one need not wait."""

    async def tick(
        self, book: str, beat: str, epoch: int, ticks: Sequence[Tick], *, deadline: float
    ) -> list[TickReceipt]:
        """Publish ticks, and set their marks, each in one atomic step with its messages; one receipt each.

        Nothing is done for a tick whose entry has a mark that is not earlier (``Seen``), nor for any if ``beat`` does
        not lead under ``epoch`` (``Fenced``). ``Unknown`` ones may be repeated: they are published once.
        """

    async def forget(self, book: str, beat: str, epoch: int, names: Sequence[str]) -> None:
        """Delete marks, of entries that are no more. Does nothing for who does not lead."""

    async def close(self) -> None:
        """Free the connection. Safe to repeat."""


@runtime_checkable
class Ticks(Protocol):
    """For brokers that record a tick in the step that publishes it (G11)."""

    def timetable(self) -> Timetable:
        """A new timetable for the running event loop."""


class Admin(Keeper, Recall, Delayed, Limits, Revocations, Register, DeadLetters, Protocol):
    """A keeper with every power that the built-in adapters have."""

    async def close(self) -> None:
        """Free the connection. Safe to repeat."""


class Broker(Protocol):
    """An adapter: makes the parts above. Making them connects nothing yet."""

    url: str
    features: Features

    def producer(self) -> Producer:
        """A new producer for the running event loop."""

    def sync_producer(self) -> SyncProducer:
        """A new blocking producer."""

    def consumer(self, id: ConsumerId, *, node: str, queues: Sequence[str]) -> Consumer:
        """A new consumer. ``node`` and ``queues`` are what the register shows of it."""

    def keeper(self, consumer: Consumer) -> Admin:
        """A keeper that adopts under the tickets of ``consumer`` (which may be unopened, for looking only)."""

    def shares_server(self, store: Any) -> bool:
        """Whether a settlement and a write to ``store`` can be one atomic step."""

    def close(self) -> None:
        """Free what the adapter holds for all its parts."""
