"""Takes messages out of queues inside an open transaction, and makes deliveries of the bytes outside of it."""

import sqlite3
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from umbel.broker.sqlite.tables import SQL, array
from umbel.core import errors
from umbel.core.delivery import ConsumerId, Delivery, Garbage, Ticket
from umbel.wire import envelope

MOST_MESSAGES = 256
MOST_BYTES = 1 << 20
"""What one claim takes at most; a single message may be larger."""

_decode = msgspec.json.Decoder(list[int]).decode


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


# Out of a queue -------------------------------------------------------------------------------------------------------


def take_ready(
    link: sqlite3.Connection, queue: str, limit: int, room: int, *, anyway: bool = False
) -> tuple[list[int], int]:
    """Take the first messages out of a queue: at most ``limit`` and ``room`` bytes. Returns their places and size.

    ``anyway`` takes the first however large it is.
    """
    seqs, priorities, sizes = map(_decode, link.execute(SQL["first_ready"], (queue, limit)).fetchone())
    count, size = _fitting(sizes, room, anyway=anyway)
    for priority, run in groupby(zip(priorities[:count], seqs, strict=False), key=lambda pair: pair[0]):
        *_, (_, last) = run
        link.execute(SQL["take_ready"], (queue, priority, last))
    return seqs[:count], size


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


def take_delayed(link: sqlite3.Connection, queue: str, until: float, limit: int) -> list[int]:
    """Take the first messages out of the delayed set that are due at ``until``. Returns their places."""
    seqs, last = link.execute(SQL["first_delayed"], (queue, until, limit)).fetchone()
    if last is not None:
        link.execute(SQL["take_delayed"], (queue, last, seqs))
    return _decode(seqs)


def promote(link: sqlite3.Connection, queue: str, now: float) -> float | None:
    """Make ready what is due, a bounded number, and return when the next one is."""
    found = link.execute(SQL["next_due"], (queue,)).fetchone()
    if found is not None and found[0] <= now:
        link.execute(SQL["make_ready"], (array(take_delayed(link, queue, now, MOST_MESSAGES)),))
        found = link.execute(SQL["next_due"], (queue,)).fetchone()
    return None if found is None else found[0]


# Into the claims ------------------------------------------------------------------------------------------------------


def claim(
    link: sqlite3.Connection, claimant: Claimant, queues: Sequence[str], limit: int, serial: int
) -> list[Claimed]:
    """Claim up to ``limit`` ready messages, the queues in their order, under tickets from ``serial`` on."""
    left, room = min(limit, MOST_MESSAGES), MOST_BYTES
    claimed: list[Claimed] = []
    for queue in queues:
        if left <= 0 or room <= 0:
            break
        seqs, size = take_ready(link, queue, left, room, anyway=not claimed)
        if seqs:
            claimed.append(_record(link, claimant, queue, seqs, serial))
            serial, left, room = serial + len(seqs), left - len(seqs), room - size
    return claimed


def _record(link: sqlite3.Connection, claimant: Claimant, queue: str, seqs: list[int], serial: int) -> Claimed:
    link.execute(SQL["claim"], (claimant.number, serial, claimant.generation, array(seqs)))
    *arrays, data = link.execute(SQL["contents"], (claimant.number, serial)).fetchone()
    marks, losses, heads, bodies = map(_decode, arrays)
    times = {}
    if any(marks):
        timed = [index for index, mark in enumerate(marks) if mark & 2]
        times = {index: link.execute(SQL["times"], (seqs[index],)).fetchone() for index in timed}
    return Claimed(queue, serial, marks, losses, heads, bodies, data, times)


# Out of the transaction -----------------------------------------------------------------------------------------------


def deliveries(claimant: Claimant, claimed: Sequence[Claimed]) -> list[Delivery]:
    """What was claimed, decoded. Bytes that are no message become an undecodable delivery."""
    found: list[Delivery] = []
    id, _, generation = claimant
    for queue, serial, marks, losses, heads, bodies, data, times in claimed:
        start = 0
        for index, (mark, loss, head, body) in enumerate(zip(marks, losses, heads, bodies, strict=True)):
            middle = start + head
            end = middle + body
            delivery = delivered(Ticket(id, generation, serial + index), queue, data[start:middle], data[middle:end])
            if mark or loss:
                delivery.losses = loss
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
        return Delivery(ticket, queue, None, Garbage(exc.reason, head + body))
