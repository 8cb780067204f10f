"""Looks after what the dead left in a SQLite file, and after all that expires; the operator's window into it."""

import math
import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from umbel.broker.sqlite.claiming import Claimant, delivered, take_delayed, take_ready
from umbel.broker.sqlite.consumer import SqliteConsumer
from umbel.broker.sqlite.counting import survey
from umbel.broker.sqlite.liveness import Locks
from umbel.broker.sqlite.settling import delete_messages, release
from umbel.broker.sqlite.tables import SQL, array
from umbel.core import errors
from umbel.core.delivery import Adopted, ConsumerId, DeadLetter, Depth, Loss, Member, Revocation, Ticket
from umbel.drivers.sqlite import Database
from umbel.wire import envelope

_BATCH = 1000
"""Rows that one transaction of a purge or a pruning deletes at most."""

_decode_history = msgspec.json.Decoder(tuple[Loss, ...]).decode


class SqliteKeeper:
    """See ``broker.base.Admin``. Dead letters live ``dead_expires`` seconds, and at most ``dead_limit`` of them."""

    def __init__(
        self, database: Database, locks: Locks, consumer: SqliteConsumer, *, dead_expires: float, dead_limit: int
    ) -> None:
        self._database = database
        self._locks = locks
        self._consumer = consumer
        self._dead_expires = dead_expires
        self._dead_limit = dead_limit

    # Keeper -----------------------------------------------------------------------------------------------------------

    async def adopt(self, dead: ConsumerId | None, limit: int) -> list[Adopted]:
        """As the port says. The lock of ``dead`` is not looked at: the caller saw its process end."""
        self._database.verify()
        adopter = self._consumer.claimant()
        ids = [dead] if dead is not None else await self._lapsed()
        adopted: list[Adopted] = []
        for id in ids:
            if limit - len(adopted) > 0:
                try:
                    adopted += await self._adopt_from(id, adopter, limit - len(adopted))
                except errors.OperationalError:
                    if not adopted:
                        raise
                    break  # what was taken over must be known to the caller
        return adopted

    async def recall(self, consumer: ConsumerId, *, last: int, keep: Iterable[Ticket], above: int = 0) -> int:
        """As the port says."""
        kept = frozenset(keep)

        def move(link: sqlite3.Connection) -> int:
            found = link.execute(SQL["find_consumer"], (consumer,)).fetchone()
            held = link.execute(SQL["all_held"], (found[0],)).fetchall() if found else []
            claims = [
                (serial, seq)
                for generation, serial, seq in held
                if above < serial <= last and Ticket(consumer, generation, serial) not in kept
            ]
            if found:
                release(link, found[0], claims)
            return len(claims)

        return await self._database.arun(move)

    async def hasten(self, queue: str, limit: int) -> int:
        """As the port says."""

        def move(link: sqlite3.Connection) -> int:
            seqs = take_delayed(link, queue, math.inf, limit)
            link.execute(SQL["make_ready"], (array(seqs),))
            return len(seqs)

        return await self._database.arun(move)

    async def survey(self, queues: Iterable[str] | None) -> list[Depth]:
        """As the port says. A delayed message that became due counts as delayed until somebody claims."""
        return await self._database.alook(lambda link: survey(link, queues, self._locks))

    async def purge(self, queue: str) -> int:
        """As the port says. A bounded batch per transaction, so that others get their turn."""
        total = 0
        while deleted := await self._database.arun(lambda link: _purge(link, queue)):
            total += deleted
        return total

    async def prune(self) -> int:
        """As the port says. Also removes the lock files of processes that died before they registered."""
        now = self._database.clock.now()
        deleted = await self._delete(
            ("prune_dead", (now - self._dead_expires, _BATCH)),
            ("prune_dead_surplus", (_BATCH, self._dead_limit)),
            ("prune_revoked", (now, _BATCH)),
            ("prune_rates", (now, _BATCH)),
        )
        await self._clear_locks()
        return deleted

    async def close(self) -> None:
        """Nothing is held: connections belong to the database."""

    # Limits -----------------------------------------------------------------------------------------------------------

    async def slots(self, name: str, interval: float, count: int) -> list[float]:
        """As the port says."""

        def reserve(link: sqlite3.Connection) -> float:
            found = link.execute(SQL["next_slot"], (name,)).fetchone()
            first = max(self._database.clock.now(), found[0] if found else 0.0)
            link.execute(SQL["set_slot"], (name, first + count * interval))
            return first

        first = await self._database.arun(reserve)
        return [first + index * interval for index in range(count)]

    # Revocations ------------------------------------------------------------------------------------------------------

    async def revoke(self, marks: Sequence[Revocation], *, expires: float) -> int:
        """As the port says."""
        until = self._database.clock.now() + expires

        def add(link: sqlite3.Connection) -> int:
            link.executemany(SQL["revoke"], [(mark.task_id, mark.terminate, until) for mark in marks])
            link.execute(SQL["count_revocation"])
            return int(link.execute(SQL["revocations"]).fetchone()[0])

        return await self._database.arun(add)

    async def revoked(self) -> tuple[int, dict[str, Revocation]]:
        """As the port says."""
        now = self._database.clock.now()

        def read(link: sqlite3.Connection) -> tuple[int, list[tuple[str, str | None]]]:
            (version,) = link.execute(SQL["revocations"]).fetchone()
            return version, link.execute(SQL["revoked"], (now,)).fetchall()

        version, found = await self._database.alook(read)
        return version, {task_id: Revocation(task_id, terminate) for task_id, terminate in found}

    async def pardon(self, ids: Sequence[str]) -> int:
        """As the port says."""

        def take_off(link: sqlite3.Connection) -> int:
            link.executemany(SQL["pardon"], [(id,) for id in ids])
            link.execute(SQL["count_revocation"])
            return int(link.execute(SQL["revocations"]).fetchone()[0])

        return await self._database.arun(take_off)

    # Register ---------------------------------------------------------------------------------------------------------

    async def members(self) -> list[Member]:
        """As the port says. Workers look here for others to rescue: they notice so that the file is another."""
        self._database.verify()
        found = await self._database.alook(lambda link: link.execute(SQL["members"]).fetchall())
        return [
            Member(id, node, pid, width, tuple(msgspec.json.decode(queues)), claimed, self._locks.alive(id, pid, life))
            for id, node, pid, life, width, queues, claimed in found
        ]

    # Dead letters -----------------------------------------------------------------------------------------------------

    async def dead(self, *, ids: Sequence[str] | None = None, limit: int = 100) -> list[DeadLetter]:
        """As the port says. What has expired is not shown, pruned or not."""
        since = self._database.clock.now() - self._dead_expires
        if ids is None:
            found = await self._database.alook(lambda link: link.execute(SQL["dead_newest"], (since, limit)).fetchall())
        else:
            values = (since, *_named(ids), limit)
            found = await self._database.alook(lambda link: link.execute(SQL["dead_named"], values).fetchall())
        return [_letter(*row) for row in found]

    async def revive(self, ids: Sequence[str]) -> int:
        """As the port says."""

        def move(link: sqlite3.Connection) -> int:
            link.execute(SQL["revive"], _named(ids))
            return link.execute(SQL["discard"], _named(ids)).rowcount

        return await self._database.arun(move)

    async def discard(self, ids: Sequence[str]) -> int:
        """As the port says."""
        return await self._delete(("discard", _named(ids)))

    # Inside -----------------------------------------------------------------------------------------------------------

    async def _delete(self, *deletions: tuple[str, tuple[object, ...]]) -> int:
        def delete(link: sqlite3.Connection) -> int:
            return sum(link.execute(SQL[name], values).rowcount for name, values in deletions)

        return await self._database.arun(delete)

    async def _lapsed(self) -> list[ConsumerId]:
        known = await self._database.alook(lambda link: link.execute(SQL["consumers"]).fetchall())
        return [ConsumerId(id) for _, id, pid, life, _ in known if not self._locks.alive(id, pid, life)]

    async def _adopt_from(self, dead: ConsumerId, adopter: Claimant, limit: int) -> list[Adopted]:
        serial = self._consumer.new_serials(limit)
        adopted, left = await self._database.arun(lambda link: _adopt(link, dead, adopter, serial, limit))
        if not left:
            self._locks.clear(dead)
        return adopted

    async def _clear_locks(self) -> None:
        names = self._locks.names()
        known = await self._database.alook(lambda link: link.execute(SQL["consumers"]).fetchall())
        for name in set(names) - {id for _, id, _, _, _ in known}:
            if not self._locks.alive(name, None, ""):
                self._locks.clear(name)


def _adopt(
    link: sqlite3.Connection, dead: ConsumerId, adopter: Claimant, serial: int, limit: int
) -> tuple[list[Adopted], bool]:
    """Move up to ``limit`` claims. Without any the dead one leaves the register; False says that it is not on it."""
    found = link.execute(SQL["find_consumer"], (dead,)).fetchone()
    if found is None:
        return [], False
    number, _, node, pid, width, before = found
    claims = link.execute(SQL["claims_of"], (number, limit)).fetchall()
    if not claims:
        link.execute(SQL["unregister"], (number,))
        return [], False
    moves = [
        (adopter.number, adopter.generation, serial + index, number, was)
        for index, (_, _, was, *_) in enumerate(claims)
    ]
    link.executemany(SQL["adopt"], moves)
    link.execute(SQL["count_adopted"], (len(claims), number))
    adopted = []
    for index, (_, queue, was, begun, redelivered, losses, unknown_since, granted, head, body) in enumerate(claims):
        delivery = delivered(Ticket(adopter.id, adopter.generation, serial + index), queue, head, body)
        delivery.losses, delivery.redelivered = losses, bool(redelivered)
        delivery.unknown_since, delivery.granted = unknown_since, granted
        adopted.append(Adopted(delivery, dead, was, before + index, width, bool(begun), False, node, pid))
    return adopted, True


def _purge(link: sqlite3.Connection, queue: str) -> int:
    """Delete a bounded number of what waits in a queue."""
    seqs, _ = take_ready(link, queue, _BATCH, 1 << 62)
    seqs += take_delayed(link, queue, math.inf, _BATCH)
    delete_messages(link, seqs)
    return len(seqs)


def _named(ids: Sequence[str]) -> tuple[str, str]:
    """Letter ids as numbers, and task ids, both as JSON arrays."""
    numbers = [int(id[1:]) for id in ids if id[:1] == "d" and id[1:].isdecimal()]
    return msgspec.json.encode(numbers).decode(), msgspec.json.encode(list(ids)).decode()


def _letter(
    number: int,
    queue: str,
    reason: str,
    detail: str,
    at: float,
    history: str | None,
    traceback: str | None,
    head: bytes,
    body: bytes,
) -> DeadLetter:
    letter = DeadLetter(f"d{number}", queue, reason, detail, at, None, traceback=traceback)
    letter.history = _decode_history(history) if history else ()
    try:
        letter.message = envelope.decode(head, body)
    except errors.Undecodable:
        letter.raw = head + body
    return letter
