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
    Disposition,
    Keep,
    Loss,
    Outgoing,
    Park,
    Refused,
    Release,
    Settled,
    Settlement,
    Verdict,
)
from umbel.core.errors import PayloadTooLarge, UmbelError
from umbel.drivers.redis import BadOperation
from umbel.wire import kombu, parts

_encode = msgspec.json.Encoder().encode

LARGEST = 512 * 1024 * 1024
"""Bytes that Redis takes as one value."""
_STAYS = frozenset({Keep, Begin})
MOST = 256
"""Settlements in one run of the script."""


class Described(msgspec.Struct):
    """What is kept of a dead letter beside its element."""

    reason: str
    detail: str
    traceback: str | None


class Settler:
    """Keeps in mind what a consumer holds, by serial, because a settlement says only the ticket."""

    def __init__(self, id: ConsumerId, layout: Layout, db: int, dead_expires: float) -> None:
        self.held: dict[int, Delivery] = {}
        self.side: set[int] = set()
        """Serials of messages that may have a side key."""
        self.begun: set[int] = set()
        self._doubt: set[int] = set()
        """Serials whose last settlement was sent and not answered yet."""
        self._done_before: set[int] = set()
        """Of these, the ones that turned out to be done when the connection was made anew."""
        self._id = id
        self._layout = layout
        self._db = str(db)
        self._dead_expires = str(max(1, int(dead_expires)))

    def batches(self, settlements: Sequence[Settlement]) -> "list[Batch]":
        """The settlements, in the order in which they should be done, as arguments of a bounded number of runs."""
        order = _order(settlements)
        return [self._batch(settlements, order[start : start + MOST]) for start in range(0, len(order), MOST)]

    def _batch(self, settlements: Sequence[Settlement], places: Sequence[int]) -> "Batch":
        args: list[Any] = [self._id, self._db]
        asked: list[int] = []
        refused: list[tuple[int, Exception]] = []
        id, rare = self._id, bool(self.side or self.begun)
        for place in places:
            one = settlements[place]
            consumer, generation, serial = one.ticket
            if consumer != id or serial in self._done_before:
                continue
            if type(one.disposition) is Ack and not one.publish and not rare:
                ops = one.ops
                if len(ops) == 1:
                    args += ("stored", f"{generation}:{serial}", *ops[0][1:])
                elif len(ops) == 2 and ops[0][0] == "result" and ops[1][0] == "join":
                    args += ("member", f"{generation}:{serial}", *ops[0][1:], *ops[1][1:])
                elif ops:
                    args += ("ack", f"{generation}:{serial}", "", "", "", "", len(ops), 0)
                    for op in ops:
                        args += op[1:]
                else:
                    args += ("done", f"{generation}:{serial}")
                asked.append(place)
                continue
            before = len(args)
            try:
                self._add(args, one)
                asked.append(place)
            except (UmbelError, TypeError, ValueError) as exc:
                del args[before:]
                refused.append((place, exc))
        return Batch(args, asked, refused)

    def _add(self, args: list[Any], settlement: Settlement) -> None:
        """Append the arguments of one that is not among the most frequent."""
        _, generation, serial = settlement.ticket
        held = self.held.get(serial)
        kind, x, y = self._described(settlement.disposition, held)
        tag = tag_of(held) if held is not None and (kind != "ack" or serial in self.side) else ""
        begun = "1" if serial in self.begun else ""
        args += (kind, f"{generation}:{serial}", tag, begun, x, y, len(settlement.ops), len(settlement.publish))
        for op in settlement.ops:
            args += op[1:]
        for outgoing in settlement.publish:
            args += outgoing_args(outgoing, self._layout)

    def _described(self, disposition: Disposition, held: Delivery | None) -> tuple[str, str | bytes, str | bytes]:
        match disposition:
            case Ack():
                return "ack", "", ""
            case Keep():
                return "keep", "", ""
            case Begin():
                return "begin", "", ""
            case Release(front, loss):
                return "front" if front else "back", _loss(loss), ""
            case Park(until, why):
                return "park", repr(float(until)), why
            case Bury(reason, detail, traceback, loss):
                task = (
                    held.message.headers.id.replace("\0", "") if held is not None and held.message is not None else ""
                )
                described = _encode(Described(reason, detail, traceback)).decode()
                letter = f"d{secrets.token_hex(6)}"
                return "bury", "\0".join((letter, task, self._dead_expires, described)), _loss(loss)

    def verdicts(
        self,
        batch: "Batch",
        settlements: Sequence[Settlement],
        answers: Sequence[Any],
        explain: Callable[[str], Exception],
        into: list[Verdict],
    ) -> None:
        """Put each verdict into its place. Raises ``OperationalError`` if the server itself is at fault."""
        for place, exc in batch.refused:
            into[place] = Refused(exc)
        held = self.held
        self._doubt.clear()
        for place, answer in zip(batch.asked, answers, strict=True):
            if answer == 1:
                into[place] = SETTLED
                one = settlements[place]
                if type(one.disposition) is Ack:
                    held.pop(one.ticket[2], None)
                else:
                    self._done(one)
            elif answer == 0:
                into[place] = GONE
            elif type(answer) is list:
                into[place] = Settled(tuple(map(parts.joined, answer)))
            else:
                error = explain(answer.decode(errors="replace"))
                if not isinstance(error, BadOperation):
                    raise error
                into[place] = Refused(error)
        if self.side or self.begun:
            self.side &= held.keys()
            self.begun &= held.keys()

    def _done(self, settlement: Settlement) -> None:
        kind, serial = type(settlement.disposition), settlement.ticket.serial
        if kind is Begin:
            self.begun.add(serial)
        elif kind is not Keep:
            self.held.pop(serial, None)

    def sent(self, settlements: Sequence[Settlement]) -> None:
        """Note what is about to be sent, in case that the answer is lost."""
        self._doubt.update(one.ticket[2] for one in settlements if type(one.disposition) not in _STAYS)

    def known(self, settlements: Sequence[Settlement], into: list[Verdict]) -> None:
        """The verdicts of settlements that were done before a connection was lost together with its answers."""
        if self._done_before:
            for place, one in enumerate(settlements):
                if one.ticket.consumer == self._id and one.ticket.serial in self._done_before:
                    into[place] = SETTLED
            self._done_before.clear()

    def reopened(self, serials: set[int], *, alone: bool) -> None:
        """Forget the claims that are no longer this consumer's. ``alone``: nobody else can have touched them."""
        self._done_before = (self._done_before | self._doubt) - serials if alone else set()
        self._doubt = set()
        self.held = {serial: held for serial, held in self.held.items() if serial in serials}
        self.side &= serials
        self.begun &= serials


class Batch(NamedTuple):
    """The arguments of one run, whose settlements these are, and those that the script is not asked about."""

    args: list[Any]
    asked: list[int]
    refused: list[tuple[int, Exception]]


def outgoing_args(outgoing: Outgoing, layout: Layout) -> tuple[str, str, str, bytes]:
    """Target, how, name and element of a message, as ``routing.lua`` says; ``how`` may be when it is due.

    What has an ETA that Celery knows goes into its list at once.
    """
    message = outgoing.message
    element = kombu.encode(message, outgoing.queue)
    if len(element) > LARGEST:
        raise PayloadTooLarge(message.headers.task, len(element), LARGEST)
    if outgoing.exchange is not None:
        return *_route(outgoing, layout), element
    target = layout.list_for(outgoing.queue, message.properties.priority)
    if outgoing.due is None or message.headers.eta is not None:
        return target, "", "", element
    return target, repr(float(outgoing.due)), secrets.token_hex(8), element


def _route(outgoing: Outgoing, layout: Layout) -> tuple[str, str, str]:
    info = outgoing.message.properties.delivery_info
    kind = outgoing.exchange or "direct"
    if outgoing.due is not None and outgoing.message.headers.eta is None:
        raise ValueError(f"a message for exchange {info.exchange!r} that is due later must say so in its headers")
    if kind == "fanout":
        return layout.channel(info.exchange, info.routing_key), kind, ""
    suffix = layout.suffix(outgoing.message.properties.priority)
    return layout.bindings(info.exchange), kind, "\0".join((info.routing_key, layout.sep, suffix))


def _loss(loss: Loss | None) -> bytes:
    return b"" if loss is None else _encode(loss)


def _order(settlements: Sequence[Settlement]) -> Sequence[int]:
    """Releases to the front last, the oldest at the very end: so each keeps its place in the queue."""
    order = range(len(settlements))
    front = [
        index for index, one in enumerate(settlements) if type(one.disposition) is Release and one.disposition.front
    ]
    if len(front) < 2 or len({one.ticket for one in settlements}) < len(settlements):
        return order
    behind = set(front)
    front.sort(key=lambda index: settlements[index].ticket.serial, reverse=True)
    return [index for index in order if index not in behind] + front
