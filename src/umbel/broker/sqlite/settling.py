"""Performs settlements inside an open transaction: a whole batch by a few statements. Decides nothing."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from umbel.broker.sqlite.tables import PUBLISH, SQL, Row, row_of
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
    Settlement,
    Verdict,
)
from umbel.core.errors import UmbelError
from umbel.drivers.sqlite import Database, Write, insert, write

_decode = msgspec.json.Decoder(list[int]).decode
_encode = msgspec.json.Encoder().encode

Held = dict[int, tuple[int, int]]
"""What a consumer holds: serial to generation and place."""


class Prepared:
    """A settlement whose messages are encoded already; ``error`` if they could not be."""

    __slots__ = ("error", "rows", "settlement")

    def __init__(self, settlement: Settlement) -> None:
        self.settlement = settlement
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
    todo = _Todo(now)
    verdicts: list[Verdict] = []
    for prepared in batch:
        ticket = prepared.settlement.ticket
        found = held.get(ticket.serial)
        if found is None or found[0] != ticket.generation or ticket.consumer != id:
            verdicts.append(GONE)
        elif prepared.error is not None:
            verdicts.append(Refused(prepared.error))
        else:
            if todo.add(prepared, found[1]):
                del held[ticket.serial]
            verdicts.append(SETTLED)
    todo.perform(link)
    return verdicts


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


def release(link: sqlite3.Connection, seqs: Sequence[int]) -> None:
    """Give claimed messages back to the front of their queues, uncounted."""
    if seqs:
        link.execute(SQL["release"], (_encode(seqs).decode(),))


def _held(link: sqlite3.Connection, number: int, batch: Sequence[Prepared]) -> Held:
    serials = [prepared.settlement.ticket.serial for prepared in batch]
    found = link.execute(SQL["held"], (number, min(serials), max(serials))).fetchone()
    serials, generations, seqs = map(_decode, found)
    return dict(zip(serials, zip(generations, seqs, strict=True), strict=True))


class _Todo:
    """What a batch comes to, by kind, so that each kind is one step."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.writes: list[Write] = []
        self.rows: list[Row] = []
        self.done: list[int] = []
        self.begun: list[int] = []
        self.released: list[int] = []
        self.to_the_back: list[int] = []
        self.losses: list[tuple[str, int]] = []
        self.parked: list[tuple[Any, ...]] = []
        self.buried: list[tuple[Any, ...]] = []

    def add(self, prepared: Prepared, seq: int) -> bool:
        """Note it, and say whether it ends the claim."""
        settlement = prepared.settlement
        self.writes += settlement.ops
        self.rows += prepared.rows
        disposition = settlement.disposition
        if type(disposition) is Ack:
            self.done.append(seq)
            return True
        return self._add_rare(disposition, seq)

    def _add_rare(self, disposition: Any, seq: int) -> bool:
        match disposition:
            case Keep():
                return False
            case Begin():
                self.begun.append(seq)
                return False
            case Release(front, loss):
                self._count(loss, seq)
                self.released.append(seq)
                if not front:
                    self.to_the_back.append(seq)
            case Park(until, why):
                granted = until if why == "rate" else None
                self.parked.append((until, granted, self.now if why == "unknown" else None, seq))
            case Bury(reason, detail, traceback, loss):
                self._count(loss, seq)
                self.buried.append((reason, detail, self.now, traceback, seq))
                self.done.append(seq)
        return True

    def _count(self, loss: Loss | None, seq: int) -> None:
        if loss is not None:
            self.losses.append((_encode(loss).decode(), seq))

    def perform(self, link: sqlite3.Connection) -> None:
        """Write the destinations first, remove from the source last."""
        if self.writes:
            write(link, self.writes)
        if self.rows:
            insert(link, PUBLISH, self.rows)
        if self.begun:
            link.execute(SQL["begin"], (_encode(self.begun).decode(),))
        if self.losses:
            link.executemany(SQL["count_loss"], self.losses)
        if self.buried:
            link.executemany(SQL["bury"], self.buried)
        if self.parked:
            link.executemany(SQL["park"], self.parked)
        release(link, self.released)
        if self.to_the_back:
            link.executemany(SQL["to_the_back"], [(seq,) for seq in self.to_the_back])
        if self.done:
            link.execute(SQL["ack"], (_encode(self.done).decode(),))
