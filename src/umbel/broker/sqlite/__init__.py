"""The embedded broker: queues in one SQLite file, for one machine. Loses nothing when a process dies at any point."""

from collections.abc import Mapping, Sequence
from typing import Any

from umbel.broker.base import Consumer, Features
from umbel.broker.sqlite.consumer import SqliteConsumer
from umbel.broker.sqlite.keeper import SqliteKeeper
from umbel.broker.sqlite.liveness import Locks
from umbel.broker.sqlite.producer import SqliteProducer, SqliteSyncProducer
from umbel.broker.sqlite.tables import PART
from umbel.broker.sqlite.timetable import PART as TIMETABLE
from umbel.broker.sqlite.timetable import SqliteTimetable
from umbel.core.delivery import ConsumerId
from umbel.drivers.options import Options
from umbel.drivers.sqlite import Database, parse_url
from umbel.runtime.clock import SYSTEM, Clock

FEATURES = Features(
    name="sqlite",
    guarantees=frozenset(f"G{number}" for number in range(1, 13)),
    liveness="lock",
    reach="machine",
    largest_message=500_000_000,
)

OPTIONS = frozenset({"synchronous", "dead_expires", "dead_limit"})


class SqliteBroker:
    """See ``broker.base.Broker``.

    Options: ``synchronous`` (NORMAL: a power cut may lose the last commits; FULL: it does not), ``dead_expires``
    (seconds a dead letter lives, 7 days), ``dead_limit`` (how many are kept, 10,000).
    """

    features = FEATURES

    def __init__(self, url: str, *, clock: Clock = SYSTEM, options: Mapping[str, Any] | None = None) -> None:
        path, given = parse_url(url)
        chosen = Options(url, {**given, **(options or {})}, OPTIONS)
        self.url = url
        self.database = Database(path, PART, clock=clock, synchronous=chosen.text("synchronous", "NORMAL"))
        self._timetable = Database(path, TIMETABLE, clock=clock, synchronous=chosen.text("synchronous", "NORMAL"))
        self._locks = Locks(self.database.path.with_name(self.database.path.name + ".locks"))
        self._dead_expires = chosen.number("dead_expires", 7 * 86400)
        self._dead_limit = int(chosen.number("dead_limit", 10_000))

    def producer(self) -> SqliteProducer:
        """As the port says."""
        return SqliteProducer(self.database)

    def sync_producer(self) -> SqliteSyncProducer:
        """As the port says."""
        return SqliteSyncProducer(self.database, self._locks)

    def consumer(self, id: ConsumerId, *, node: str, queues: Sequence[str]) -> SqliteConsumer:
        """As the port says."""
        return SqliteConsumer(self.database, self._locks, id, node=node, queues=queues)

    def keeper(self, consumer: Consumer) -> SqliteKeeper:
        """As the port says. ``consumer`` is one of this adapter."""
        if not isinstance(consumer, SqliteConsumer):
            raise TypeError(f"a keeper adopts under tickets of a SqliteConsumer, not of {consumer!r}")
        return SqliteKeeper(
            self.database, self._locks, consumer, dead_expires=self._dead_expires, dead_limit=self._dead_limit
        )

    def timetable(self) -> SqliteTimetable:
        """As ``broker.base.Ticks`` says."""
        return SqliteTimetable(self._timetable, self.database)

    def shares_server(self, store: Any) -> bool:
        """Whether ``store`` writes into the same file."""
        other = getattr(store, "database", None)
        return isinstance(other, Database) and other.path == self.database.path

    def close(self) -> None:
        """Close idle connections."""
        self.database.close()
        self._timetable.close()
