"""Performs settlements inside an open transaction: a whole batch by a few statements. Decides nothing."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from umbel.broker.sqlite.tables import PUBLISH, SQL, Row, array, row_of
from umbel.core.delivery import (
    GONE,
    SETTLED,
    Ack,
    Begin,
    Bury,
    ConsumerId,
    Keep,
    Loss,
    Park,
    Refused,
    Release,
    Settled,
    Settlement,
    Verdict,
)
from umbel.core.errors import UmbelError
from umbel.core.joining import Joined
from umbel.drivers.sqlite import Ask, Database, Write, ask, insert, write

_decode = msgspec.json.Decoder(list[int]).decode
_encode = msgspec.json.Encoder().encode

Held = dict[int, tuple[int, int]]
"""What a consumer holds: serial to generation and place."""


class Prepared:
    """A settlement whose messages are encoded already; ``error`` if they could not be."""

    __slots__ = ("asks", "error", "rows", "settlement", "writes")

    def __init__(self, settlement: Settlement) -> None:
        self.settlement = settlement
        self.writes: Sequence[Any] = settlement.ops
        self.asks: Sequence[Ask] = ()
        if len(self.writes) > 0 and any(type(op) is Ask for op in self.writes):
            self.asks = [op for op in settlement.ops if type(op) is Ask]
            self.writes = [op for op in settlement.ops if type(op) is not Ask]
        self.rows: Sequence[Row] = ()
        self.error: Exception | None = None
        if settlement.publish:
            try:
                self.rows = [row_of(outgoing) for outgoing in settlement.publish]
            except (UmbelError, TypeError, ValueError) as exc:
                self.error = exc


def settle(
    link: sqlite3.Connection, number: int, id: ConsumerId, batch: Sequence[Prepared], now: float
) -> list[Verdict]:
    """Settle all, with one verdict each. Raises if the database refuses any of it; then nothing counts."""
    held = _held(link, number, batch)
    joined = _joined(link, id, batch, held)
    todo = _Todo(now)
    verdicts: list[Verdict] = []
    for prepared in batch:
        consumer, generation, serial = prepared.settlement.ticket
        found = held.get(serial)
        if found is None or found[0] != generation or consumer != id:
            verdicts.append(GONE)
        elif prepared.error is not None:
            verdicts.append(Refused(prepared.error))
        elif prepared in joined:
            todo.keep(prepared)
            verdicts.append(Settled(tuple(joined[prepared])))
        else:
            if todo.add(prepared, serial, found[1]):
                del held[serial]
            verdicts.append(SETTLED)
    todo.perform(link, number)
    return verdicts


def _joined(
    link: sqlite3.Connection, id: ConsumerId, batch: Sequence[Prepared], held: Held
) -> dict[Prepared, list[Joined]]:
    """Take the steps of joins that are among the operations, and say which settlements completed one."""
    asked: list[tuple[Prepared, Ask]] = []
    for prepared in batch:
        if not prepared.asks:
            continue
        consumer, generation, serial = prepared.settlement.ticket
        found = held.get(serial)
        if found is not None and found[0] == generation and consumer == id and prepared.error is None:
            asked += [(prepared, op) for op in prepared.asks]
    if not asked:
        return {}
    answers = ask(link, [op for _, op in asked])
    completed: dict[Prepared, list[Joined]] = {}
    for (prepared, _), answer in zip(asked, answers, strict=True):
        if answer is not None:
            completed.setdefault(prepared, []).append(answer)
    return completed


def settle_one_by_one(
    database: Database, link: sqlite3.Connection, number: int, id: ConsumerId, batch: Sequence[Prepared], now: float
) -> list[Verdict]:
    """As ``settle``, but what the database refuses is ``Refused`` and the rest is done."""
    verdicts: list[Verdict] = []
    for prepared in batch:
        error = database.attempt(link, partial(_settle_into, verdicts, link, number, id, prepared, now))
        if error is not None:
            verdicts.append(Refused(error))
    return verdicts


def _settle_into(
    verdicts: list[Verdict], link: sqlite3.Connection, number: int, id: ConsumerId, prepared: Prepared, now: float
) -> None:
    verdicts += settle(link, number, id, [prepared], now)


def release(link: sqlite3.Connection, number: int, claims: Sequence[tuple[int, int]]) -> None:
    """Give claims, ``(serial, seq)``, back to the front of their queues, uncounted."""
    if claims:
        make_ready(link, [seq for _, seq in claims])
        unclaim(link, number, [serial for serial, _ in claims])


def make_ready(link: sqlite3.Connection, seqs: Sequence[int]) -> None:
    """Put messages that were claimed into their queues, each at its place."""
    if seqs:
        places = array(seqs)
        link.execute(SQL["make_ready"], (places,))
        link.execute(SQL["mark_redelivered"], (places,))


def delete_messages(link: sqlite3.Connection, seqs: Sequence[int]) -> None:
    """Delete messages, wherever they are."""
    if bounds := _whole_range(seqs):
        link.execute(SQL["delete_message_range"], bounds)
    else:
        link.execute(SQL["delete_messages"], (array(seqs),))


def unclaim(link: sqlite3.Connection, number: int, serials: Sequence[int]) -> None:
    """Delete claims of a consumer."""
    if bounds := _whole_range(serials):
        link.execute(SQL["unclaim_range"], (number, *bounds))
    else:
        link.execute(SQL["unclaim"], (number, array(serials)))


def _whole_range(numbers: Sequence[int]) -> tuple[int, int] | None:
    """First and last, if these distinct numbers are all there are between them, as in the usual batch."""
    first, last = min(numbers, default=0), max(numbers, default=-2)
    return (first, last) if last - first + 1 == len(numbers) else None


def _held(link: sqlite3.Connection, number: int, batch: Sequence[Prepared]) -> Held:
    serials = [prepared.settlement.ticket.serial for prepared in batch]
    found = link.execute(SQL["held"], (number, min(serials), max(serials))).fetchone()
    serials, generations, seqs = map(_decode, found)
    return dict(zip(serials, zip(generations, seqs, strict=True), strict=True))


class _Todo:
    """What a batch comes to, by kind, so that each kind is one step. Claims are ``(serial, seq)``."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.writes: list[Write] = []
        self.rows: list[Row] = []
        self.ended: list[int] = []
        self.begun: list[int] = []
        self.done: list[int] = []
        self.released: list[int] = []
        self.to_the_back: list[int] = []
        self.losses: list[tuple[int, str]] = []
        self.parked: list[tuple[float, int]] = []
        self.times: list[tuple[int, float | None, float | None]] = []
        self.buried: list[tuple[Any, ...]] = []

    def keep(self, prepared: Prepared) -> None:
        """Note it, all but what becomes of the message."""
        self.writes += prepared.writes
        self.rows += prepared.rows

    def add(self, prepared: Prepared, serial: int, seq: int) -> bool:
        """Note it, and say whether it ends the claim."""
        settlement = prepared.settlement
        disposition = settlement.disposition
        self.writes += prepared.writes
        if prepared.rows:
            self.rows += prepared.rows
        if type(disposition) is Ack:
            self.done.append(seq)
        elif type(disposition) is Begin:
            self.begun.append(serial)
            return False
        elif type(disposition) is Keep:
            return False
        else:
            self._add_rare(disposition, seq)
        self.ended.append(serial)
        return True

    def _add_rare(self, disposition: Any, seq: int) -> None:
        match disposition:
            case Release(front, loss):
                self._count(loss, seq)
                (self.released if front else self.to_the_back).append(seq)
            case Park(until, why):
                self.parked.append((until, seq))
                if why == "rate":
                    self.times.append((seq, until, None))
                elif why == "unknown":
                    self.times.append((seq, None, self.now))
            case Bury(reason, detail, traceback, loss):
                self._count(loss, seq)
                self.buried.append((reason, detail, self.now, traceback, seq))
                self.done.append(seq)

    def _count(self, loss: Loss | None, seq: int) -> None:
        if loss is not None:
            self.losses.append((seq, _encode(loss).decode()))

    def perform(self, link: sqlite3.Connection, number: int) -> None:
        """Do it. A message that goes is removed from its claim last."""
        if self.writes:
            write(link, self.writes)
        if self.rows:
            insert(link, PUBLISH, self.rows)
        if self.begun:
            link.execute(SQL["begin"], (number, array(self.begun)))
        for name, values in (("count_loss", self.losses), ("note_times", self.times), ("bury", self.buried)):
            if values:
                link.executemany(SQL[name], values)
        if self.parked:
            link.executemany(SQL["park"], self.parked)
        make_ready(link, self.released + [_moved_back(link, seq) for seq in self.to_the_back])
        if self.done:
            delete_messages(link, self.done)
        if self.ended:
            unclaim(link, number, self.ended)


def _moved_back(link: sqlite3.Connection, seq: int) -> int:
    (last,) = link.execute(SQL["last_place"]).fetchone()
    link.execute(SQL["move_message"], (last + 1, seq))
    link.execute(SQL["move_past"], (last + 1, seq))
    return int(last) + 1
