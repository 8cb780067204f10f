"""Takes messages out of queues inside an open transaction, and makes deliveries of the bytes outside of it."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from umbel.broker.sqlite.tables import SQL
from umbel.core import errors
from umbel.core.delivery import ConsumerId, Delivery, Ticket, Undecodable
from umbel.wire import envelope

MOST_MESSAGES = 256
MOST_BYTES = 1 << 20
"""What one claim takes at most; a single message may be larger."""

_decode = msgspec.json.Decoder(list[int]).decode
_NEXT_DUE, _PROMOTE, _SIZES, _CONTENTS = SQL["next_due"], SQL["promote"], SQL["sizes"], SQL["contents"]


class Claimant(NamedTuple):
    """Under whose tickets messages are claimed."""

    id: ConsumerId
    number: int
    generation: int


class Claimed(NamedTuple):
    """Messages of one queue under consecutive serials from ``serial`` on: numbers in arrays, bytes end to end."""

    queue: str
    serial: int
    marks: list[int]
    losses: list[int]
    heads: list[int]
    bodies: list[int]
    data: bytes
    times: dict[int, tuple[float | None, float | None]]


def promote(link: sqlite3.Connection, queue: str, now: float) -> float | None:
    """Make ready what is due, a bounded number, and return when the next one is."""
    found = link.execute(_NEXT_DUE, (queue,)).fetchone()
    if found is not None and found[0] <= now:
        link.execute(_PROMOTE, (queue, now, MOST_MESSAGES))
        found = link.execute(_NEXT_DUE, (queue,)).fetchone()
    return None if found is None else found[0]


def claim(
    link: sqlite3.Connection, claimant: Claimant, queues: Sequence[str], limit: int, serial: int
) -> list[Claimed]:
    """Claim up to ``limit`` ready messages, the queues in their order, under tickets from ``serial`` on."""
    left, room = min(limit, MOST_MESSAGES), MOST_BYTES
    claimed: list[Claimed] = []
    for queue in queues:
        if left <= 0 or room <= 0:
            break
        seqs, sizes = map(_decode, link.execute(_SIZES, (queue, left)).fetchone())
        count, size = _fitting(sizes, room, anyway=not claimed)
        if not count:
            continue
        batch = _take(link, claimant, queue, seqs[:count], serial)
        claimed.append(batch)
        serial, left, room = serial + count, left - count, room - size
    return claimed


def _fitting(sizes: list[int], room: int, *, anyway: bool) -> tuple[int, int]:
    total = sum(sizes)
    if total <= room:
        return len(sizes), total
    count = total = 0
    for size in sizes:
        if total + size > room and not (anyway and count == 0):
            break
        count, total = count + 1, total + size
    return count, total


def _take(link: sqlite3.Connection, claimant: Claimant, queue: str, seqs: list[int], serial: int) -> Claimed:
    *arrays, data = link.execute(_CONTENTS, (queue, len(seqs))).fetchone()
    marks, losses, heads, bodies = map(_decode, arrays)
    times = {
        index: link.execute(SQL["times"], (seqs[index],)).fetchone() for index, mark in enumerate(marks) if mark & 2
    }
    places = msgspec.json.encode(seqs).decode()
    link.execute(SQL["mark_claimed"], (claimant.number, claimant.generation, serial, places))
    return Claimed(queue, serial, marks, losses, heads, bodies, data, times)


def deliveries(claimant: Claimant, claimed: Sequence[Claimed]) -> list[Delivery]:
    """What was claimed, decoded. Bytes that are no message become an undecodable delivery."""
    found: list[Delivery] = []
    for queue, serial, marks, losses, heads, bodies, data, times in claimed:
        start = 0
        for index, mark in enumerate(marks):
            middle = start + heads[index]
            end = middle + bodies[index]
            ticket = Ticket(claimant.id, claimant.generation, serial + index)
            delivery = delivered(ticket, queue, data[start:middle], data[middle:end])
            if mark or losses[index]:
                delivery.losses = losses[index]
                delivery.redelivered = bool(mark & 1)
                delivery.unknown_since, delivery.granted = times.get(index, (None, None))
            found.append(delivery)
            start = end
    return found


def delivered(ticket: Ticket, queue: str, head: bytes, body: bytes) -> Delivery:
    """A delivery of these bytes, whatever they are."""
    try:
        return Delivery(ticket, queue, envelope.decode(head, body))
    except errors.Undecodable as exc:
        return Delivery(ticket, queue, None, Undecodable(exc.reason, head + body))
