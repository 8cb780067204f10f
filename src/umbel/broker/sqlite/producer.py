"""Puts messages into the file: one transaction per call, in an async and a blocking form."""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial

from umbel.broker.sqlite.counting import survey
from umbel.broker.sqlite.liveness import Locks
from umbel.broker.sqlite.tables import PUBLISH, SQL, Row, row_of
from umbel.core.delivery import ACCEPTED, Depth, Outgoing, Receipt, Refused
from umbel.core.errors import UmbelError
from umbel.drivers.sqlite import BadOperation, Database, insert

_ONE = SQL["publish_one"]


class SqliteProducer:
    """See ``broker.base.Producer``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """As the port says. All messages that can be stored are stored in one transaction."""
        receipts, rows = _rows(messages)
        try:
            await self._database.arun(lambda link: insert(link, PUBLISH, rows), deadline=deadline)
        except BadOperation:
            refused = await self._database.arun(lambda link: _one_by_one(self._database, link, rows), deadline=deadline)
            return _merged(receipts, refused)
        return receipts

    async def close(self) -> None:
        """Nothing is held: connections belong to the database."""


class SqliteSyncProducer:
    """See ``broker.base.SyncProducer``."""

    def __init__(self, database: Database, locks: Locks) -> None:
        self._database = database
        self._locks = locks

    def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """As the port says. One message is one statement; more are one transaction."""
        if len(messages) == 1:
            return self._publish_one(messages[0], deadline)
        receipts, rows = _rows(messages)
        try:
            self._database.run(lambda link: insert(link, PUBLISH, rows), deadline=deadline)
        except BadOperation:
            refused = self._database.run(lambda link: _one_by_one(self._database, link, rows), deadline=deadline)
            return _merged(receipts, refused)
        return receipts

    def _publish_one(self, outgoing: Outgoing, deadline: float) -> list[Receipt]:
        try:
            row = row_of(outgoing)
            self._database.look(lambda link: link.execute(_ONE, row), deadline=deadline)
        except BadOperation as exc:
            return [Refused(exc)]
        return [ACCEPTED]

    def survey(self, queues: Iterable[str] | None, *, deadline: float = 5.0) -> list[Depth]:
        """As the port says."""
        return self._database.look(lambda link: survey(link, queues, self._locks), deadline=deadline)

    def close(self) -> None:
        """Nothing is held: connections belong to the database."""


def _rows(messages: Sequence[Outgoing]) -> tuple[list[Receipt], list[Row]]:
    """A receipt for each message, as if all goes well, and the rows of those that can be encoded."""
    receipts: list[Receipt] = []
    rows: list[Row] = []
    for outgoing in messages:
        try:
            rows.append(row_of(outgoing))
        except (UmbelError, TypeError, ValueError) as exc:
            receipts.append(Refused(exc))
        else:
            receipts.append(ACCEPTED)
    return receipts, rows


def _one_by_one(database: Database, link: sqlite3.Connection, rows: list[Row]) -> list[BadOperation | None]:
    return [database.attempt(link, partial(insert, link, PUBLISH, [row])) for row in rows]


def _merged(receipts: list[Receipt], refused: list[BadOperation | None]) -> list[Receipt]:
    results = iter(refused)
    merged: list[Receipt] = []
    for receipt in receipts:
        error = next(results) if receipt is ACCEPTED else None
        merged.append(receipt if error is None else Refused(error))
    return merged
