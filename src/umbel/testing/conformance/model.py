"""The broker port as a model that fits on a page: where each message is, and who holds it. Knows no adapter.

The machine in ``walking`` does the same to a broker and to this, and compares. A message is in exactly one place.
"""

from dataclasses import dataclass, field
from typing import Literal

from umbel.broker.base import Consumer
from umbel.core.delivery import (
    Begin,
    Bury,
    Disposition,
    Keep,
    Park,
    Release,
    Settlement,
    Ticket,
)


@dataclass(eq=False)
class Item:
    """One message. ``place`` in its queue is known as long as only publishing and releasing have put it there."""

    name: str
    queue: str
    due: float | None
    place: int | None
    where: Literal["waiting", "claimed", "dead", "gone"] = "waiting"
    losses: int = 0
    begun: bool = False
    returned: bool = False
    granted: float | None = None
    unknown_since: float | None = None

    def is_ready(self, now: float) -> bool:
        """Whether it may be claimed."""
        return self.where == "waiting" and (self.due is None or self.due <= now)


@dataclass(eq=False)
class Holder:
    """A consumer. ``lapsed``: its process is dead, and nobody knows yet; ``fenced``: somebody has adopted from it."""

    consumer: Consumer
    width: int
    state: Literal["live", "lapsed", "fenced", "left"] = "live"
    claims: dict[Ticket, Item] = field(default_factory=dict)
    spent: list[Ticket] = field(default_factory=list)
    adopted: int = 0


class Model:
    """What a broker must have after the same steps."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.holders: list[Holder] = []
        self.buried: list[Item] = []
        self.records: set[str] = set()
        self.revoked: dict[str, str | None] = {}
        self._places = 0

    def next_place(self) -> int:
        """Behind all others."""
        self._places += 1
        return self._places

    def publish(self, name: str, queue: str, due: float | None) -> Item:
        """A new message."""
        item = Item(name, queue, due, self.next_place() if due is None else None)
        self.items[name] = item
        return item

    def ready(self, queues: tuple[str, ...], now: float) -> list[Item]:
        """What a claim may take."""
        return [item for item in self.items.values() if item.queue in queues and item.is_ready(now)]

    def claim(self, holder: Holder, ticket: Ticket, item: Item) -> None:
        """Somebody has it now."""
        item.where, item.due = "claimed", None
        holder.claims[ticket] = item

    def settle(self, holder: Holder, settlement: Settlement, now: float) -> bool:
        """What becomes of a claim. False: it is gone, and nothing is done."""
        item = holder.claims.get(settlement.ticket)
        if item is None:
            return False
        if not isinstance(settlement.disposition, Keep | Begin):
            holder.spent.append(settlement.ticket)
            del holder.claims[settlement.ticket]
        self._dispose(item, settlement.disposition, now)
        return True

    def _dispose(self, item: Item, disposition: Disposition, now: float) -> None:
        match disposition:
            case Keep():
                pass
            case Begin():
                item.begun = True
            case Release(front, loss):
                item.losses += loss is not None
                self.give_back(item, front=front)
            case Park(until, why):
                item.where, item.due, item.begun, item.place = "waiting", until, False, None
                item.granted = until if why == "rate" else None
                if why == "unknown" and item.unknown_since is None:
                    item.unknown_since = now
            case Bury(_, _, _, loss):
                item.losses += loss is not None
                item.where = "dead"
                self.buried.append(item)
            case _:
                item.where = "gone"

    def give_back(self, item: Item, *, front: bool = True) -> None:
        """Back to its queue."""
        item.where, item.begun, item.granted = "waiting", False, None
        item.returned = front
        if not front:
            item.place = self.next_place()

    def give_all_back(self, holder: Holder, tickets: list[Ticket]) -> None:
        """To the front, those of a holder."""
        for ticket in tickets:
            holder.spent.append(ticket)
            self.give_back(holder.claims.pop(ticket))

    def revive(self, item: Item) -> None:
        """A dead letter as if it were new."""
        self.buried.remove(item)
        item.where, item.losses, item.begun, item.returned = "waiting", 0, False, False
        item.due, item.granted, item.unknown_since, item.place = None, None, None, None

    def counts(self, queue: str) -> tuple[int, int, int]:
        """Waiting, claimed, dead."""
        places = [item.where for item in self.items.values() if item.queue == queue]
        return places.count("waiting"), places.count("claimed"), places.count("dead")

    def problems_of_order(self, queue: str, taken: list[Item]) -> str | None:
        """What is wrong with the order of a claim from one queue; the items are not marked as claimed yet.

        New messages come in their order, and none of them comes before an older one that was given back to the front.
        """
        fresh = [item for item in taken if item.place is not None and not item.returned]
        waiting = [i for i in self.items.values() if i.queue == queue and i.where == "waiting" and i.place is not None]
        line = sorted((i for i in waiting if not i.returned and i.due is None), key=lambda i: i.place or 0)
        if fresh != line[: len(fresh)]:
            return f"{[i.name for i in fresh]} came before {[i.name for i in line]}"
        left = [item for item in waiting if item.returned and item not in taken]
        passed = [(one.name, other.name) for one in left for other in fresh if (one.place or 0) < (other.place or 0)]
        return f"the second came before the first, which was given back: {passed}" if passed else None
