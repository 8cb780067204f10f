"""Settlements as arguments of ``settle.lua``, and its answers as verdicts. Pure; what the parts mean is said there."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from umbel.broker.redis.elements import tag_of
from umbel.broker.redis.layout import Layout
from umbel.core.delivery import (
    GONE,
    SETTLED,
    Ack,
    Begin,
    Bury,
    ConsumerId,
    Delivery,
    Keep,
    Loss,
    Outgoing,
    Park,
    Refused,
    Release,
    Settlement,
    Ticket,
    Verdict,
)
from umbel.core.errors import UmbelError
from umbel.drivers.redis import BadOperation
from umbel.wire import kombu

_encode = msgspec.json.Encoder().encode

MOST = 256
"""Settlements in one run of the script."""


class Described(msgspec.Struct):
    """What is kept of a dead letter beside its element."""

    reason: str
    detail: str
    traceback: str | None


class Held(NamedTuple):
    """A claim as this process knows it. ``side``: there may be a side key."""

    delivery: Delivery
    side: bool


class Settler:
    """Keeps in mind what a consumer holds, because a settlement says only the ticket."""

    def __init__(self, id: ConsumerId, layout: Layout, db: int, dead_expires: float) -> None:
        self.held: dict[Ticket, Held] = {}
        self.begun: set[Ticket] = set()
        self._id = id
        self._layout = layout
        self._db = str(db)
        self._dead_expires = str(max(1, int(dead_expires)))

    def batches(self, settlements: Sequence[Settlement]) -> "list[Batch]":
        """The settlements, in the order in which they should be done, as arguments of a bounded number of runs."""
        order = _order(settlements)
        return [self._batch(settlements, order[start : start + MOST]) for start in range(0, len(order), MOST)]

    def _batch(self, settlements: Sequence[Settlement], places: list[int]) -> "Batch":
        args: list[Any] = [self._id, self._db]
        asked: list[int] = []
        refused: list[tuple[int, Exception]] = []
        for place in places:
            before = len(args)
            try:
                if self._add(args, settlements[place]):
                    asked.append(place)
            except (UmbelError, TypeError, ValueError) as exc:
                del args[before:]
                refused.append((place, exc))
        return Batch(args, places, asked, refused)

    def _add(self, args: list[Any], settlement: Settlement) -> bool:
        """Append the arguments; False for a ticket that is certainly gone."""
        ticket, disposition = settlement.ticket, settlement.disposition
        if ticket.consumer != self._id:
            return False
        field = f"{ticket.generation}:{ticket.serial}"
        ops, publish = settlement.ops, settlement.publish
        if type(disposition) is Ack:
            held = self.held.get(ticket)
            tag = tag_of(held.delivery) if held is not None and held.side else ""
            args += (field, "ack", tag, self._begun(ticket), "", "", len(ops), len(publish))
        else:
            kind, x, y = self._described(ticket, disposition)
            held = self.held.get(ticket)
            tag = tag_of(held.delivery) if held is not None else ""
            args += (field, kind, tag, self._begun(ticket), x, y, len(ops), len(publish))
        for _, db, key, ttl, payload in ops:
            args += (db, key, ttl, payload)
        for outgoing in publish:
            args += outgoing_args(outgoing, self._layout)
        return True

    def _begun(self, ticket: Ticket) -> str:
        return "1" if self.begun and ticket in self.begun else ""

    def _described(self, ticket: Ticket, disposition: Any) -> tuple[str, str | bytes, str | bytes]:
        match disposition:
            case Keep():
                return "keep", "", ""
            case Begin():
                return "begin", "", ""
            case Release(front, loss):
                return "front" if front else "back", _loss(loss), ""
            case Park(until, why):
                return "park", repr(float(until)), why
            case Bury(reason, detail, traceback, loss):
                held = self.held.get(ticket)
                message = held.delivery.message if held is not None else None
                task = message.headers.id if message is not None else ""
                described = _encode(Described(reason, detail, traceback)).decode()
                letter = f"d{secrets.token_hex(6)}"
                return "bury", "\0".join((letter, task, self._dead_expires, described)), _loss(loss)
        raise TypeError(f"{disposition!r} is no disposition")

    def settled(self, settlement: Settlement) -> None:
        """Note what the server has done."""
        disposition, ticket = settlement.disposition, settlement.ticket
        kind = type(disposition)
        if kind is Begin:
            self.begun.add(ticket)
        elif kind is not Keep:
            self.held.pop(ticket, None)
            if self.begun:
                self.begun.discard(ticket)

    def keep_only(self, kept: frozenset[Ticket]) -> None:
        """Forget the claims that are no longer this consumer's."""
        self.held = {ticket: held for ticket, held in self.held.items() if ticket in kept}
        self.begun &= kept


class Batch(NamedTuple):
    """The arguments of one run, whose settlements these are, and which of them the script is not asked about."""

    args: list[Any]
    places: list[int]
    asked: list[int]
    refused: list[tuple[int, Exception]]

    def verdicts(
        self,
        answers: Sequence[Any],
        into: list[Verdict],
        done: Callable[[int], None],
        explain: Callable[[str], Exception],
    ) -> None:
        """Put each verdict into its place. Raises ``OperationalError`` if the server itself is at fault."""
        for place, exc in self.refused:
            into[place] = Refused(exc)
        for place, answer in zip(self.asked, answers, strict=True):
            if answer == 1:
                into[place] = SETTLED
                done(place)
            elif answer == 0:
                into[place] = GONE
            else:
                error = explain(answer.decode(errors="replace"))
                if not isinstance(error, BadOperation):
                    raise error
                into[place] = Refused(error)


def outgoing_args(outgoing: Outgoing, layout: Layout) -> tuple[str, str, str, bytes]:
    """List, due time, name and element of a message. What has an ETA that Celery knows goes into its list at once."""
    message = outgoing.message
    element = kombu.encode(message, outgoing.queue)
    target = layout.list_for(outgoing.queue, message.properties.priority)
    if outgoing.due is None or message.headers.eta is not None:
        return target, "", "", element
    return target, repr(float(outgoing.due)), secrets.token_hex(8), element


def _loss(loss: Loss | None) -> bytes:
    return b"" if loss is None else _encode(loss)


def _order(settlements: Sequence[Settlement]) -> list[int]:
    """Releases to the front last, the oldest at the very end: so each keeps its place in the queue."""
    order = list(range(len(settlements)))
    front = [
        index for index, one in enumerate(settlements) if type(one.disposition) is Release and one.disposition.front
    ]
    if len(front) < 2 or len({one.ticket for one in settlements}) < len(settlements):
        return order
    behind = set(front)
    front.sort(key=lambda index: settlements[index].ticket.serial, reverse=True)
    return [index for index in order if index not in behind] + front
