"""kombu's ``Connection``: a way to a broker of Umbel's, for messages that are no tasks, too. Opens nothing by itself.

``Connection("redis://...")`` has a broker of its own; ``app.connection()`` uses the app's.
"""

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from umbel.broker.base import Broker, Declares, SyncProducer
from umbel.broker.lookup import open_broker
from umbel.celery import offered
from umbel.celery.kombu.bound import BoundQueue, queue_declare_ok
from umbel.celery.kombu.utils.url import as_url, maybe_sanitize_url, parse_url
from umbel.core.delivery import Accepted, Outgoing, Refused
from umbel.core.errors import OperationalError
from umbel.core.queues import Exchange, Queue, check_name
from umbel.runtime.clock import SYSTEM

if TYPE_CHECKING:
    from umbel.celery.kombu.messaging import Consumer, Producer
    from umbel.celery.kombu.simple import SimpleQueue

DEADLINE = 5.0
"""Seconds that a publish may take where nobody says."""


def client_of(store: Any) -> Any:
    """A client of redis-py at the server of a broker or a result store, where that is Redis. ``AttributeError``."""
    place = store.place
    from umbel.drivers.redis import clients

    return clients.client(place)


class Transport:
    """What kind of broker it is."""

    def __init__(self, broker: Broker) -> None:
        self.driver_name = self.driver_type = broker.features.name
        self.connection_errors = self.channel_errors = (OperationalError,)
        self.recoverable_connection_errors = self.recoverable_channel_errors = (OperationalError,)


class Connection:
    """A way to a broker, by its URL or the URL's parts. ``with`` closes it. It connects when it is first used."""

    def __init__(
        self,
        hostname: str | Sequence[str] = "localhost",
        userid: str | None = None,
        password: str | None = None,
        virtual_host: str | None = None,
        port: int | None = None,
        insist: bool = False,
        ssl: Any = False,
        transport: str | None = None,
        connect_timeout: float = 5,
        transport_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        first = hostname.split(";")[0] if isinstance(hostname, str) else hostname[0]
        if "://" not in first:
            first = as_url(transport or "redis", first, port, userid, password, virtual_host)
        self.url = first
        self.ssl = ssl
        self.connect_timeout = connect_timeout
        self.transport_options = dict(transport_options or {})
        self.heartbeat = options.get("heartbeat", 0)
        self.declared: dict[str, Queue] = {}
        self._broker: Broker | None = None
        self._sync: SyncProducer | None = None
        self._app: Any = None
        self._consumers: list[Any] = []
        self._kept: list[Any] = []
        self._client: Any = None

    @classmethod
    def of_app(cls, app: Any) -> "Connection":
        """The app's broker. Closing it leaves that open."""
        made = cls(app.connections.broker_url)
        made._app = app
        made.declared.update(app.queues_by_name)
        return made

    # What it is -------------------------------------------------------------------------------------------------------

    @property
    def broker(self) -> Broker:
        """The broker. Raises ``ImproperlyConfigured`` for a URL that none serves."""
        if self._app is not None:
            found: Broker = self._app.broker
            return found
        if self._broker is None:
            options = dict(self.transport_options)
            if self.ssl:
                options["ssl"] = self.ssl
            self._broker = open_broker(self.url, options=options)
        return self._broker

    @property
    def producer(self) -> SyncProducer:
        """What publishes."""
        if self._app is not None:
            found: SyncProducer = self._app.sync_producer
            return found
        if self._sync is None:
            self._sync = self.broker.sync_producer()
        return self._sync

    @property
    def transport(self) -> Transport:
        """What kind of broker it is."""
        return Transport(self.broker)

    @property
    def clock(self) -> Any:
        """Where it takes the time from."""
        return SYSTEM if self._app is None else self._app.clock

    def leads_to(self, conf: Any) -> bool:
        """Whether it leads to the broker of the app that has these settings."""
        return self.url == conf.broker_url if self._app is None else self._app.conf is conf

    def info(self) -> dict[str, Any]:
        """The URL's parts."""
        return {**parse_url(self.url), "connect_timeout": self.connect_timeout, "ssl": self.ssl}

    def __getattr__(self, name: str) -> Any:
        if name in ("hostname", "userid", "password", "virtual_host", "port"):
            return parse_url(self.url)[name]
        raise AttributeError(name)

    @property
    def host(self) -> str:
        """``host:port``."""
        return ":".join(str(part) for part in (self.hostname, self.port) if part)

    def as_uri(self, include_password: bool = False, mask: str = "**") -> str:
        """The URL."""
        return self.url if include_password else str(maybe_sanitize_url(self.url, mask))

    connection_errors: tuple[type[Exception], ...] = (OperationalError,)
    channel_errors: tuple[type[Exception], ...] = ()
    recoverable_connection_errors: tuple[type[Exception], ...] = (OperationalError,)
    recoverable_channel_errors: tuple[type[Exception], ...] = ()

    # Opened and closed ------------------------------------------------------------------------------------------------

    def connect(self) -> "Connection":
        """Reach the broker now. Raises ``OperationalError``."""
        self.producer.survey(())
        return self

    def ensure_connection(
        self,
        errback: Callable[..., Any] | None = None,
        max_retries: int | None = None,
        interval_start: float = 2,
        interval_step: float = 2,
        interval_max: float = 30,
        callback: Callable[[], Any] | None = None,
        **more: Any,
    ) -> "Connection":
        """``connect``, again until it succeeds or ``max_retries`` is reached. ``errback(error, seconds)`` is told."""
        from umbel.celery.kombu.utils.functional import retry_over_time

        def told(error: Exception, intervals: Any, retries: int) -> float:
            seconds = float(next(intervals))
            if errback is not None:
                errback(error, seconds)
            return seconds

        retry_over_time(
            self.connect,
            OperationalError,
            errback=told,
            max_retries=max_retries,
            interval_start=interval_start,
            interval_step=interval_step,
            interval_max=interval_max,
            callback=callback,
            timeout=more.get("timeout"),
        )
        return self

    @property
    def connected(self) -> bool:
        """Whether the broker can be reached."""
        try:
            self.connect()
        except OperationalError:
            return False
        return True

    def clone(self, **changes: Any) -> "Connection":
        """Another one to the same broker."""
        if self._app is not None and not changes:
            return Connection.of_app(self._app)
        same = {"transport_options": self.transport_options, "ssl": self.ssl, "connect_timeout": self.connect_timeout}
        return Connection(**{"hostname": self.url, **same, **changes})

    def release(self) -> None:
        """Free what it opened. It may be used again."""
        consumers, self._consumers, self._kept = [*self._consumers, *self._kept], [], []
        for consumer in consumers:
            consumer.close()
        client, self._client = self._client, None
        if client is not None:
            client.close()
        sync, self._sync = self._sync, None
        broker, self._broker = self._broker, None
        if sync is not None:
            sync.close()
        if broker is not None:
            broker.close()

    close = release

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<Connection: {self.as_uri()}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Connection) and other.url == self.url

    __hash__ = object.__hash__

    # Channels: kombu has many on a connection, and here each is the connection itself ---------------------------------

    def channel(self) -> "Connection":
        """The connection itself: there is nothing between it and what uses it."""
        return self

    @property
    def default_channel(self) -> "Connection":
        """The connection itself."""
        return self

    @property
    def connection(self) -> "Connection":
        """The connection itself, as a channel has it."""
        return self

    @property
    def client(self) -> Any:
        """A client of redis-py, as kombu's channels have on Redis. Closed with the connection."""
        if self._client is None:
            self._client = client_of(self.broker)
        return self._client

    def queue_declare(self, queue: str, passive: bool = False, **more: Any) -> queue_declare_ok:
        """How much is in a queue: ``channel.queue_declare("celery", passive=True).message_count``."""
        (depth,) = self.producer.survey([queue])
        return queue_declare_ok(queue, depth.ready, depth.consumers)

    def queue_purge(self, queue: str, **more: Any) -> int:
        """Delete what waits in a queue, and say how many messages there were."""
        return self.bound(Queue(queue)).purge()

    # What goes through it ---------------------------------------------------------------------------------------------

    def Producer(self, channel: Any = None, *args: Any, **kwargs: Any) -> "Producer":
        """What publishes through it."""
        from umbel.celery.kombu import messaging

        return messaging.Producer(channel or self, *args, **kwargs)

    def Consumer(self, queues: Any = None, channel: Any = None, *args: Any, **kwargs: Any) -> "Consumer":
        """What takes messages from queues, in ``drain_events``."""
        from umbel.celery.kombu import messaging

        return messaging.Consumer(channel or self, queues, *args, **kwargs)

    def SimpleQueue(self, name: Any, *args: Any, **kwargs: Any) -> "SimpleQueue":
        """A queue with ``put`` and ``get``."""
        from umbel.celery.kombu import simple

        return simple.SimpleQueue(self, name, *args, **kwargs)

    def joined(self, consumer: Any) -> None:
        """A consumer wants to be served by ``drain_events``."""
        if consumer not in self._consumers:
            self._consumers.append(consumer)

    def keep(self, consumer: Any) -> None:
        """Close it with the connection: what it has taken and not settled is then handed back."""
        self._kept = [one for one in self._kept if not one.is_done]
        self._kept.append(consumer)

    def left(self, consumer: Any) -> None:
        """It wants no more."""
        if consumer in self._consumers:
            self._consumers.remove(consumer)

    def drain_events(self, timeout: float | None = None) -> None:
        """Give one message to a consumer's callbacks, waiting for it. Raises ``TimeoutError`` after ``timeout`` s."""
        from umbel.celery.kombu.messaging import drain

        drain(self, list(self._consumers), timeout)

    def declare(self, entities: Iterable[Any]) -> None:
        """Know these queues and what they are bound to, before messages go there."""
        queues = [Queue.of(entity) for entity in entities if not isinstance(entity, Exchange | str)]
        self.declared.update({queue.name: queue for queue in queues})
        broker = self.broker
        if isinstance(broker, Declares):
            broker.declare(queues)

    def bound(self, queue: Queue) -> BoundQueue:
        """The queue, here."""
        return BoundQueue(queue, self)

    def send(self, message: Any, exchange: Exchange | None, *, due: float | None, deadline: float) -> None:
        """Publish one message, to an exchange or to the queue that its routing key names.

        Raises ``OperationalError`` if it was not taken, or no queue is bound to the exchange by that key.
        """
        key = message.properties.delivery_info.routing_key
        outgoing = self._routed(message, exchange, key, due)
        receipts = self.producer.publish(outgoing, deadline=deadline)
        for receipt in receipts:
            if not isinstance(receipt, Accepted):
                how = "refused it" if isinstance(receipt, Refused) else "did not confirm it"
                raise OperationalError(f"{self.as_uri()} {how}: {receipt.error}") from receipt.error

    def _routed(self, message: Any, exchange: Exchange | None, key: str, due: float | None) -> list[Outgoing]:
        if exchange is None or not exchange.name:
            check_name(key)
            return [Outgoing(key, message, due)]
        if self.broker.features.exchanges:
            return [Outgoing("", message, due, exchange.type)]
        names = [name for name, queue in self.declared.items() if queue.takes(exchange.name, key)]
        if not names:
            raise OperationalError(
                f"no queue is known to be bound to exchange {exchange.name!r} by {key!r}; "
                "pass declare=[queue], or name the queue as routing_key"
            )
        return [Outgoing(name, message, due) for name in names]


class ConnectionPool:
    """``app.pool``: gives out connections, each of them the same way to the same broker."""

    def __init__(self, make: Callable[[], Connection]) -> None:
        self._make = make

    def acquire(self, block: bool = False, timeout: float | None = None) -> Connection:
        """A connection; ``with`` it."""
        return self._make()

    def release(self, resource: Any) -> None:
        """Nothing is kept."""

    def force_close_all(self) -> None:
        """Nothing is kept."""


__getattr__ = offered.names_not_in(__name__)
