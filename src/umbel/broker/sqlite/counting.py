"""Counts queues inside a read. Walks indexes only, and steps from queue to queue, never over all messages."""

import sqlite3
from collections.abc import Iterable, Iterator

import msgspec

from umbel.broker.sqlite.liveness import Locks
from umbel.broker.sqlite.tables import SQL
from umbel.core.delivery import Depth


def survey(link: sqlite3.Connection, queues: Iterable[str] | None, locks: Locks) -> list[Depth]:
    """Count these queues, or all that hold a message, a dead letter, or are read by somebody alive."""
    readers = _readers(link, locks)
    claimed = dict(link.execute(SQL["count_claimed"]).fetchall())
    names = sorted({*readers, *claimed, *_stored(link)}) if queues is None else list(queues)
    return [
        Depth(
            name,
            ready=_count(link, "count_ready", name),
            delayed=_count(link, "count_delayed", name),
            claimed=claimed.get(name, 0),
            dead=_count(link, "count_dead", name),
            consumers=readers.get(name, 0),
        )
        for name in names
    ]


def _count(link: sqlite3.Connection, statement: str, queue: str) -> int:
    (count,) = link.execute(SQL[statement], (queue,)).fetchone()
    return int(count)


def _readers(link: sqlite3.Connection, locks: Locks) -> dict[str, int]:
    readers: dict[str, int] = {}
    for _, id, pid, life, queues in link.execute(SQL["consumers"]).fetchall():
        if locks.alive(id, pid, life):
            for queue in msgspec.json.decode(queues):
                readers[queue] = readers.get(queue, 0) + 1
    return readers


def _stored(link: sqlite3.Connection) -> Iterator[str]:
    for statement in ("first_ready_queue", "first_delayed_queue", "first_dead_queue"):
        name = ""
        while (name := link.execute(SQL[statement], (name,)).fetchone()[0]) is not None:
            yield name
