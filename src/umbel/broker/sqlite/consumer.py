"""One process's claims on a SQLite file: alive as long as its file lock, fenced once somebody adopted from it."""

import os
import sqlite3
from collections.abc import Iterable, Sequence

from umbel.broker.sqlite.claiming import Claimant, Claimed, claim, deliveries, promote
from umbel.broker.sqlite.liveness import Locks, life_of
from umbel.broker.sqlite.settling import Prepared, release, settle, settle_one_by_one
from umbel.broker.sqlite.tables import SQL
from umbel.core.delivery import GONE, ConsumerId, Settlement, Ticket, Turn, Verdict, Want
from umbel.core.errors import OperationalError
from umbel.drivers.sqlite import BadOperation, Database, Link
from umbel.wire.json import dumps

_PAUSE = (0.001, 0.005)
"""Seconds between looks at the file while idle, from the first to the longest."""


class SqliteConsumer:
    """See ``broker.base.Consumer``. Has a connection of its own: only so does the file tell what others changed."""

    def __init__(self, database: Database, locks: Locks, id: ConsumerId, *, node: str, queues: Sequence[str]) -> None:
        self.id = id
        self._database = database
        self._locks = locks
        self._node = node
        self._queues = tuple(queues)
        self._link: Link | None = None
        self._number = 0
        self._generation = 0
        self._serial = 0
        self._next_due: float | None = None
        self._revocations = 0
        self._seen: tuple[int, int] | None = None

    # The port ---------------------------------------------------------------------------------------------------------

    async def open(self, *, lease: float, width: int, holding: Iterable[Ticket] = ()) -> frozenset[Ticket]:
        """As the port says. ``lease`` is not used: the kernel frees the lock when this process ends."""
        if self._link is None:
            self._link = self._database.link()
        self._database.prepare()
        self._locks.take(self.id)
        self._generation += 1
        in_hand = frozenset(holding)
        return await self._database.arun(lambda link: self._register(link, width, in_hand), link=self._link)

    async def exchange(self, settlements: Sequence[Settlement], want: Want) -> Turn:
        """As the port says: one transaction, which settles first and then claims."""
        batch = [Prepared(settlement) for settlement in settlements]
        try:
            turn, claimed = await self._transact(batch, want, one_by_one=False)
        except BadOperation:
            turn, claimed = await self._transact(batch, want, one_by_one=True)
        self._seen = None
        turn.deliveries = deliveries(self._claimant(), claimed)
        return turn

    async def wait(self, timeout: float) -> None:
        """As the port says. Looks whether the file changed, and only then into it."""
        self._database.verify()
        clock = self._database.clock
        end = clock.monotonic() + timeout
        pause, longest = _PAUSE
        while not self._anything_new():
            left = end - clock.monotonic()
            if self._next_due is not None:
                left = min(left, self._next_due - clock.now())
            if left <= 0:
                return
            await clock.sleep(min(pause, left))
            pause = min(pause * 1.2, longest)

    async def renew(self, holding: Iterable[Ticket]) -> frozenset[Ticket]:
        """As the port says. There is no lease to renew; the lock is taken again, should something have dropped it."""
        self._locks.take(self.id)
        in_hand = frozenset(holding)
        return in_hand - await self._database.arun(self._recorded, link=self._opened())

    async def close(self) -> None:
        """As the port says."""
        link, self._link = self._link, None
        if link is None:
            return
        try:
            await self._database.arun(self._unregister, link=link)
        finally:
            self._locks.drop(self.id)
            link.close()

    # For the keeper, which adopts under tickets of this consumer ------------------------------------------------------

    def claimant(self) -> Claimant:
        """Who adopts. Raises ``RuntimeError`` before ``open``."""
        self._opened()
        return self._claimant()

    def new_serials(self, count: int) -> int:
        """Use up ``count`` serials, and return the first."""
        first = self._serial + 1
        self._serial += count
        return first

    # Inside ----------------------------------------------------------------------------------------------------------

    def _opened(self) -> Link:
        if self._link is None:
            raise RuntimeError(f"consumer {self.id} is not open")
        return self._link

    def _claimant(self) -> Claimant:
        return Claimant(self.id, self._number, self._generation)

    def _register(self, link: sqlite3.Connection, width: int, holding: frozenset[Ticket]) -> frozenset[Ticket]:
        pid = os.getpid()
        number = self._number
        if not number or not link.execute(SQL["standing"], (number,)).fetchone():
            values = (self.id, self._node, pid, life_of(pid), width, dumps(self._queues).decode())
            self._number = link.execute(SQL["register"], values).lastrowid or 0
            return frozenset()
        link.execute(SQL["reregister"], (pid, life_of(pid), width, number))
        kept, left = [], []
        for generation, serial, seq in link.execute(SQL["all_held"], (number,)).fetchall():
            ticket = Ticket(self.id, generation, serial)
            if ticket in holding:
                kept.append(ticket)
            else:
                left.append((serial, seq))
        release(link, number, left)
        return frozenset(kept)

    def _unregister(self, link: sqlite3.Connection) -> None:
        found = link.execute(SQL["all_held"], (self._number,)).fetchall()
        release(link, self._number, [(serial, seq) for _, serial, seq in found])
        link.execute(SQL["unregister"], (self._number,))
        self._number = 0

    def _recorded(self, link: sqlite3.Connection) -> frozenset[Ticket]:
        standing = link.execute(SQL["standing"], (self._number,)).fetchone()
        if standing is None or standing[0]:
            return frozenset()
        found = link.execute(SQL["all_held"], (self._number,)).fetchall()
        return frozenset(Ticket(self.id, generation, serial) for generation, serial, _ in found)

    async def _transact(self, batch: list[Prepared], want: Want, *, one_by_one: bool) -> tuple[Turn, list[Claimed]]:
        return await self._database.arun(lambda link: self._turn(link, batch, want, one_by_one), link=self._opened())

    def _turn(
        self, link: sqlite3.Connection, batch: list[Prepared], want: Want, one_by_one: bool
    ) -> tuple[Turn, list[Claimed]]:
        standing = link.execute(SQL["standing"], (self._number,)).fetchone()
        if standing is None or standing[0]:
            return Turn([GONE] * len(batch), [], revocations=self._revocations, lost=True), []
        now = self._database.clock.now()
        verdicts: list[Verdict] = []
        if one_by_one:
            verdicts = settle_one_by_one(self._database, link, self._number, self.id, batch, now)
        elif batch:
            verdicts = settle(link, self._number, self.id, batch, now)
        dues = [due for queue in want.queues if (due := promote(link, queue, now)) is not None]
        claimed: list[Claimed] = []
        if want.limit > 0:
            claimed = claim(link, self._claimant(), want.queues, want.limit, self._serial + 1)
            self._serial += sum(len(part.marks) for part in claimed)
        self._next_due = min(dues, default=None)
        self._revocations = standing[1]
        if want.queues:
            self._queues = want.queues
        next_due = None if self._next_due is None else max(0.0, self._next_due - now)
        return Turn(verdicts, [], next_due, self._revocations), claimed

    def _anything_new(self) -> bool:
        link = self._opened()
        try:
            version = link.version()
            if version == self._seen:
                return False
            if link.look(self._is_ready):
                return True
        except (sqlite3.Error, OperationalError):
            return True  # the next exchange says what is wrong
        self._seen = version
        return False

    def _is_ready(self, link: sqlite3.Connection) -> bool:
        dues = []
        for queue in self._queues:
            if link.execute(SQL["anything"], (queue,)).fetchone():
                return True
            dues += link.execute(SQL["next_due"], (queue,)).fetchall()
        self._next_due = min((due for (due,) in dues), default=None)
        return bool(link.execute(SQL["revocations"]).fetchone()[0] != self._revocations)
