"""The broker on Redis, in Celery's layout where Celery reads or writes too; all moves are the scripts in ``lua``."""

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from umbel.broker.base import Consumer, Features
from umbel.broker.redis.channel import Channel
from umbel.broker.redis.consumer import RedisConsumer
from umbel.broker.redis.counting import Survey
from umbel.broker.redis.fanout import Copier
from umbel.broker.redis.keeper import RedisKeeper
from umbel.broker.redis.layout import Layout
from umbel.broker.redis.producer import RedisProducer, RedisSyncProducer
from umbel.broker.redis.restoring import Restorer
from umbel.broker.redis.settling import LARGEST
from umbel.broker.redis.timetable import RedisTimetable
from umbel.core.delivery import ConsumerId
from umbel.core.errors import OperationalError
from umbel.core.queues import Queue
from umbel.drivers.options import Options
from umbel.drivers.redis import Place, is_elsewhere, is_error, parse, sync_connect
from umbel.drivers.redis.loops import PerLoop
from umbel.runtime.clock import SYSTEM, Clock

FEATURES = Features(
    name="redis",
    guarantees=frozenset(f"G{number}" for number in range(1, 13)),
    liveness="clock",
    reach="network",
    largest_message=LARGEST,
    exchanges=True,
    urgent_first="lower",
    priority_steps=(0, 3, 6, 9),
)

ASKS_FOR, ASK_AGAIN = 2.0, 10.0
"""Seconds that the question takes at most whether results are in reach, and after which it is asked again."""

OPTIONS = frozenset(
    {"dead_expires", "dead_limit", "global_keyprefix", "pool_limit", "sep", "priority_steps", "queue_order_strategy"}
    | {"visibility_timeout", "unacked_key", "unacked_index_key", "fanout_patterns", "fanout_prefix"}
)
OF_CELERY = frozenset(
    {"ack_emulation", "body_encoding", "deadletter_queue", "health_check_interval"}
    | {"interval_max", "interval_start", "interval_step", "max_connections", "max_retries", "min_other_sentinels"}
    | {"polling_interval", "reauth_check_interval", "retry_on_timeout", "sentinel_fanout_compat", "socket_keepalive"}
    | {"socket_keepalive_options", "socket_timeout", "unacked_mutex_expire", "unacked_mutex_key"}
    | {"unacked_restore_interval", "unacked_restore_limit", "unacked_restore_throttle"}
)
"""Options that Celery's users may have set, and that mean nothing here: Umbel does by design what they are for."""


class RedisBroker:
    """See ``broker.base.Broker``.

    Options: those of Celery's ``broker_transport_options`` for Redis that apply (``global_keyprefix``, ``sep``,
    ``priority_steps``, ``queue_order_strategy``, ``visibility_timeout``, ``unacked_key``, ``unacked_index_key``,
    ``fanout_prefix``, ``fanout_patterns``, ``socket_connect_timeout``, ``client_name``, ``master_name``,
    ``sentinel_kwargs``, ``ssl``), ``dead_expires`` (seconds a dead letter lives, 7 days) and ``dead_limit`` (how many
    are kept, 10,000).
    """

    def __init__(self, url: str, *, clock: Clock = SYSTEM, options: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self.place, chosen = parse(url, options)
        numbers = Options(str(self.place), chosen, OPTIONS | OF_CELERY)
        self.layout = Layout(chosen, self.place.db)
        self.features = Features(**{**_as_dict(FEATURES), "priority_steps": self.layout.steps})
        self._clock = clock
        self._dead_expires = numbers.number("dead_expires", 7 * 86400)
        self._connections = int(numbers.number("pool_limit", 0)) if "pool_limit" in chosen else None
        self._dead_limit = int(numbers.number("dead_limit", 10_000))
        self._restorer = Restorer(self.layout, numbers.number("visibility_timeout", 3600.0))
        self._copier = Copier(self.place, self.layout, clock)
        self._survey = Survey(self.place, self.layout, self._dead_expires)
        self._channels = PerLoop(lambda: Channel(self.place, self.layout, clock), Channel.close)
        self._producers: weakref.WeakSet[RedisSyncProducer] = weakref.WeakSet()
        self._shared: dict[int, bool] = {}
        self._ask_at = 0.0

    def producer(self) -> RedisProducer:
        """As the port says."""
        return RedisProducer(self._channels, self.layout)

    def sync_producer(self) -> RedisSyncProducer:
        """As the port says."""
        producer = RedisSyncProducer(self.place, self.layout, self._clock, self._survey, connections=self._connections)
        self._producers.add(producer)
        return producer

    def consumer(self, id: ConsumerId, *, node: str, queues: Sequence[str]) -> RedisConsumer:
        """As the port says."""
        return RedisConsumer(
            self.place, self.layout, self._clock, id, node=node, queues=queues, dead_expires=self._dead_expires
        )

    def keeper(self, consumer: Consumer) -> RedisKeeper:
        """As the port says. ``consumer`` is one of this adapter."""
        if not isinstance(consumer, RedisConsumer):
            raise TypeError(f"a keeper adopts under tickets of a RedisConsumer, not of {consumer!r}")
        return RedisKeeper(
            consumer,
            self._channels,
            self.layout,
            self._survey,
            self._restorer,
            dead_expires=self._dead_expires,
            dead_limit=self._dead_limit,
        )

    async def copy(self, copies: Mapping[str, Queue], listening: Callable[[], None]) -> None:
        """As ``Broadcasts`` says."""
        await self._copier.copy(copies, listening)

    async def drop(self, copies: Iterable[str]) -> None:
        """As ``Broadcasts`` says."""
        await self._copier.drop(copies)

    def timetable(self) -> RedisTimetable:
        """As ``broker.base.Ticks`` says."""
        return RedisTimetable(self._channels, self.layout)

    def declare(self, queues: Iterable[Queue]) -> None:
        """As the port says: their bindings are written when a connection first uses them, as Celery does."""
        self.layout.declare(queues)

    def shares_server(self, store: Any) -> bool:
        """Whether ``store`` is on the same server, in a database that a script may select."""
        other = getattr(store, "place", None)
        if not isinstance(other, Place) or other.server != self.place.server:
            return False
        if other.db == self.place.db:
            return True
        if other.db not in self._shared:
            if (now := self._clock.monotonic()) < self._ask_at:
                return False
            self._ask_at = now + ASK_AGAIN
            found = self._may_select(other.db)
            if found is None:
                return False
            self._shared[other.db], self._ask_at = found, 0.0
        return self._shared[other.db]

    def _may_select(self, db: int) -> bool | None:
        """Ask: an ACL, a cluster or a proxy may refuse. None: it cannot be asked now."""
        try:
            connection = sync_connect(self.place, ASKS_FOR)
        except OperationalError:
            return None
        try:
            (reply,) = connection.call([("EVAL", f"return redis.call('SELECT', {db})", "0")], ASKS_FOR)
        except OperationalError:
            return None
        finally:
            connection.close()
        if is_error(reply) and is_elsewhere(reply):
            return None
        return not is_error(reply)

    def close(self) -> None:
        """Close what blocking producers have idle. Other connections end with their consumers and event loops."""
        for producer in list(self._producers):
            producer.close()


def _as_dict(features: Features) -> dict[str, Any]:
    return {name: getattr(features, name) for name in features.__struct_fields__}
