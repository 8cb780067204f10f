"""The broker inside one process: for tests, for a solo worker, and to hold every rule that needs no server."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from umbel.broker.base import Consumer, Features
from umbel.broker.memory.consumer import MemoryConsumer
from umbel.broker.memory.keeper import MemoryKeeper, survey
from umbel.broker.memory.state import State, entry_of
from umbel.broker.memory.timetable import MemoryTimetable
from umbel.core.delivery import ACCEPTED, ConsumerId, Depth, Outgoing, Receipt, Refused
from umbel.drivers.memory import space
from umbel.drivers.options import Options
from umbel.runtime.clock import SYSTEM, Clock

FEATURES = Features(
    name="memory",
    guarantees=frozenset({"G1", "G2", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "G11", "G12"}),
    liveness="clock",
    reach="process",
)

OPTIONS = frozenset({"dead_expires", "dead_limit"})


class MemoryBroker:
    """See ``broker.base.Broker``. ``memory://`` is one for the whole process, ``memory://NAME`` another.

    Options: ``dead_expires`` (seconds a dead letter lives, 7 days), ``dead_limit`` (how many are kept, 10,000).
    """

    features = FEATURES

    def __init__(self, url: str, *, clock: Clock = SYSTEM, options: Mapping[str, Any] | None = None) -> None:
        chosen = Options(url, options or {}, OPTIONS)
        self.url = url
        self.space = space(url)
        self._state = self.space.part("broker", State)
        self._clock = clock
        self._dead_expires = chosen.number("dead_expires", 7 * 86400)
        self._dead_limit = int(chosen.number("dead_limit", 10_000))

    def publish(self, messages: Sequence[Outgoing]) -> list[Receipt]:
        """Put messages into their queues."""
        receipts: list[Receipt] = []
        entries = []
        for outgoing in messages:
            try:
                entries.append(entry_of(outgoing))
            except Exception as exc:  # noqa: BLE001  whatever it is, it is this message's alone
                receipts.append(Refused(exc))
            else:
                receipts.append(ACCEPTED)
        with self.space.lock:
            self._state.publish(entries)
        self.space.changed()
        return receipts

    def survey(self, queues: Iterable[str] | None) -> list[Depth]:
        """As ``broker.base.Keeper.survey``."""
        return survey(self.space, self._state, self._clock, queues)

    def producer(self) -> "MemoryProducer":
        """As the port says."""
        return MemoryProducer(self)

    def sync_producer(self) -> "MemorySyncProducer":
        """As the port says."""
        return MemorySyncProducer(self)

    def consumer(self, id: ConsumerId, *, node: str, queues: Sequence[str]) -> MemoryConsumer:
        """As the port says."""
        return MemoryConsumer(self.space, self._state, self._clock, id, node=node, queues=queues)

    def keeper(self, consumer: Consumer) -> MemoryKeeper:
        """As the port says. ``consumer`` is one of this adapter."""
        if not isinstance(consumer, MemoryConsumer):
            raise TypeError(f"a keeper adopts under tickets of a MemoryConsumer, not of {consumer!r}")
        return MemoryKeeper(
            self.space,
            self._state,
            self._clock,
            consumer,
            dead_expires=self._dead_expires,
            dead_limit=self._dead_limit,
        )

    def timetable(self) -> MemoryTimetable:
        """As ``broker.base.Ticks`` says."""
        return MemoryTimetable(self.space, self._state, self._clock)

    def shares_server(self, store: Any) -> bool:
        """Whether ``store`` lives in the same space."""
        return getattr(store, "space", None) is self.space

    def close(self) -> None:
        """Nothing is held; the messages stay."""


class MemoryProducer:
    """See ``broker.base.Producer``."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """As the port says; it is done at once."""
        return self._broker.publish(messages)

    async def close(self) -> None:
        """Nothing is held."""


class MemorySyncProducer:
    """See ``broker.base.SyncProducer``."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """As the port says; it is done at once."""
        return self._broker.publish(messages)

    def survey(self, queues: Iterable[str] | None, *, deadline: float = 5.0) -> list[Depth]:
        """As the port says."""
        return self._broker.survey(queues)

    def close(self) -> None:
        """Nothing is held."""
