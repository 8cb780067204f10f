"""kombu's ``Producer`` and ``Consumer``: any message onto Umbel's brokers, and off them."""

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar

from umbel.celery import offered
from umbel.celery.kombu.connection import DEADLINE, Connection
from umbel.celery.kombu.message import Message
from umbel.core.delivery import ConsumerId, Delivery, Settlement, Want
from umbel.core.errors import OperationalError
from umbel.core.queues import Exchange, Queue
from umbel.runtime.clock import SYSTEM
from umbel.wire import compression as wire_compression
from umbel.wire import envelope, json, serializers

T = TypeVar("T")
LEASE = 60.0
"""Seconds after which what a consumer took and did not settle goes to others, unless it is drained again by then."""


class Producer:
    """Publishes through a connection. ``with`` it, or not: it holds nothing."""

    serializer = "json"

    def __init__(
        self,
        channel: Any,
        exchange: Any = None,
        routing_key: str | None = None,
        serializer: str | None = None,
        auto_declare: bool | None = None,
        compression: str | None = None,
        on_return: Callable[..., Any] | None = None,
    ) -> None:
        if on_return is not None:
            raise NotImplementedError("Producer(on_return=...): no broker of Umbel's returns messages; leave it out")
        self.connection: Connection = channel
        self.channel = channel
        self.exchange = _exchange(exchange)
        self.routing_key = routing_key or ""
        self.serializer = serializer or self.serializer
        self.compression = compression

    def leads_to(self, conf: Any) -> bool:
        """Whether it leads to the broker of the app that has these settings."""
        return self.connection.leads_to(conf)

    def publish(
        self,
        body: Any,
        routing_key: str | None = None,
        delivery_mode: Any = None,
        mandatory: bool = False,
        immediate: bool = False,
        priority: int = 0,
        content_type: str | None = None,
        content_encoding: str | None = None,
        serializer: str | None = None,
        headers: Mapping[str, Any] | None = None,
        compression: str | None = None,
        exchange: Any = None,
        retry: bool = False,
        retry_policy: Mapping[str, Any] | None = None,
        declare: Iterable[Any] = (),
        expiration: float | timedelta | None = None,
        timeout: float | None = None,
        **properties: Any,
    ) -> None:
        """Publish ``body``, serialized by ``serializer``; as it is with a ``content_type``.

        To ``exchange`` by ``routing_key``; without one, to the queue that ``routing_key`` names. ``declare`` are queues
        to know first. ``retry``: again while the broker is away, by ``retry_policy``. ``expiration`` and ``timeout``
        are seconds. Raises ``EncodeError``, and ``OperationalError`` if it was not taken.
        """
        target = _exchange(exchange) or self.exchange
        key = self.routing_key if routing_key is None else routing_key
        if declare:
            self.connection.declare(declare)
        content_type, content_encoding, data = _content(
            body, serializer or self.serializer, content_type, content_encoding
        )
        said: dict[str, Any] = dict(headers or {})
        if method := compression or self.compression:
            said["compression"], data = wire_compression.compress(data, method)
        whole = {
            "content-type": content_type,
            "content-encoding": content_encoding,
            "headers": said,
            "properties": {
                **properties,
                "priority": priority,
                "delivery_mode": 1 if delivery_mode in (1, "transient") else 2,
                "expiration": _milliseconds(expiration),
                "delivery_info": {"exchange": target.name if target else "", "routing_key": key},
            },
        }
        message = envelope.decode(json.dumps(whole), data)
        deadline = DEADLINE if timeout is None else timeout
        self._again(lambda: self.connection.send(message, target, due=None, deadline=deadline), retry, retry_policy)

    def _again(self, send: Callable[[], None], retry: bool, policy: Mapping[str, Any] | None) -> None:
        if not retry:
            send()
            return
        from umbel.celery.kombu.utils.functional import retry_over_time

        given = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2, **(policy or {})}
        given = {name: value for name, value in given.items() if name != "retry_errors"}
        retry_over_time(send, OperationalError, **given)

    def maybe_declare(self, entity: Any, retry: bool = False, **retry_policy: Any) -> bool:
        """Know a queue and what it is bound to."""
        return maybe_declare(entity, self.channel)

    def declare(self) -> None:
        """Its exchange is known by its name."""

    def revive(self, channel: Any) -> None:
        """Go on through another connection."""
        self.channel = self.connection = channel

    def release(self) -> None:
        """Nothing is held."""

    close = release

    def __enter__(self) -> "Producer":
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.release()


def maybe_declare(entity: Any, channel: Any = None, retry: bool = False, **retry_policy: Any) -> bool:
    """Know a queue (or exchange) and what it is bound to, before messages go there. True if it was not known before."""
    if channel is None:
        raise ValueError("maybe_declare() needs a channel: Umbel's queues are bound to none")
    known = isinstance(entity, Exchange) or getattr(entity, "name", entity) in channel.declared
    channel.declare([entity])
    return not known


def _exchange(value: Any) -> Exchange | None:
    if value is None or isinstance(value, Exchange):
        return value
    if isinstance(value, str):
        return Exchange(value) if value else Exchange()
    return Exchange(value.name or "", value.type or "direct")


def _content(body: Any, serializer: str, kind: str | None, encoding: str | None) -> tuple[str, str, bytes]:
    if kind is None:
        return serializers.encode(body, serializer)
    data = body.encode(encoding or "utf-8") if isinstance(body, str) else body
    if not isinstance(data, bytes):
        raise TypeError(f"a body with a content_type is text or bytes, not {type(body).__name__}")
    return kind, encoding or ("utf-8" if isinstance(body, str) else "binary"), data


def _milliseconds(value: float | timedelta | None) -> str | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    return str(int(seconds * 1000))


# Taking messages ------------------------------------------------------------------------------------------------------


class Consumer:
    """Takes messages from queues and gives them to callbacks, whenever its connection is drained.

    ``callbacks`` are called with the decoded body and the message; ``on_message`` instead of them with the message
    alone. What is neither acknowledged nor rejected goes back when the consumer ends. ``accept`` are the serializers
    that are decoded (all but those whose bytes are programs).
    """

    def __init__(
        self,
        channel: Any,
        queues: Any = None,
        no_ack: bool | None = None,
        auto_declare: bool | None = None,
        callbacks: Iterable[Callable[[Any, Message], Any]] | None = None,
        on_decode_error: Callable[[Message, Exception], Any] | None = None,
        on_message: Callable[[Message], Any] | None = None,
        accept: Iterable[str] | None = None,
        prefetch_count: int | None = None,
        tag_prefix: str | None = None,
    ) -> None:
        self.connection: Connection = channel
        self.channel = channel
        given = [queues] if isinstance(queues, str | Queue) else list(queues or ())
        self.queues = [Queue.of(queue) for queue in given]
        self.no_ack = bool(no_ack)
        self.callbacks = list(callbacks or ())
        self.on_decode_error = on_decode_error
        self.on_message = on_message
        self.accept = serializers.content_types(serializers.names() if accept is None else accept)
        self.prefetch_count = prefetch_count or 1
        self._taken: deque[Delivery] = deque()
        self._line: _Line | None = None

    def register_callback(self, callback: Callable[[Any, Message], Any]) -> None:
        """Have it called as well."""
        self.callbacks.append(callback)

    def add_queue(self, queue: Any) -> Queue:
        """Take from this one as well."""
        self.queues.append(Queue.of(queue))
        return self.queues[-1]

    def consume(self, no_ack: bool | None = None) -> None:
        """Be served from now on."""
        self.no_ack = self.no_ack if no_ack is None else no_ack
        self.connection.declare(self.queues)
        self.connection.joined(self)

    def cancel(self) -> None:
        """Be served no more; what was taken and not settled goes back."""
        self.connection.left(self)
        self.close()

    def close(self) -> None:
        """Hand back what is in hand."""
        line, self._line = self._line, None
        self._taken.clear()
        if line is not None:
            line.close()

    def __enter__(self) -> "Consumer":
        self.consume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def flow(self, active: bool) -> None:
        """Raises ``NotImplementedError``: a consumer that is not drained takes nothing."""
        raise NotImplementedError("Consumer.flow: what is not drained takes nothing")

    def qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        """Take so many at a time."""
        self.prefetch_count = prefetch_count or 1

    def receive(self, body: Any, message: Message) -> None:
        """Give one to the callbacks. Raises ``NotImplementedError`` without any."""
        if not self.callbacks:
            raise NotImplementedError("the consumer has no callbacks")
        for callback in self.callbacks:
            callback(body, message)

    def serve(self, seconds: float) -> bool:
        """Give one message to the callbacks, if one comes within so long."""
        if not self._taken:
            if self._line is None:
                self._line = _Line(self.connection)
            names = tuple(queue.name for queue in self.queues)
            self._taken.extend(self._line.take(names, self.prefetch_count, seconds))
        if not self._taken:
            return False
        message = Message(self._taken.popleft(), self)
        if self.no_ack:
            message.ack()
        if self.on_message is not None:
            self.on_message(message)
            return True
        try:
            body = message.decode()
        except Exception as error:
            if self.on_decode_error is None:
                raise
            self.on_decode_error(message, error)
            return True
        self.receive(body, message)
        return True

    @property
    def is_done(self) -> bool:
        """Whether it was closed."""
        return self._line is None

    def settle(self, settlement: Settlement) -> None:
        """Say what becomes of a message."""
        if self._line is None:
            raise OperationalError("the consumer was closed: what it had taken went back to its queue")
        self._line.settle(settlement)


class _Line:
    """One consumer of a broker, with a loop of its own that runs while it is asked for something."""

    def __init__(self, connection: Connection) -> None:
        self._runner = asyncio.Runner()
        self._turn = threading.RLock()
        self._clock = connection.clock
        self._consumer = connection.broker.consumer(
            ConsumerId(secrets.token_hex(16)), node=f"kombu@{connection.transport.driver_name}", queues=()
        )
        self._opened = False

    def take(self, queues: tuple[str, ...], limit: int, seconds: float) -> list[Delivery]:
        """Claim up to ``limit`` messages, waiting for one."""
        return self._do(self._take(queues, limit, seconds))

    def settle(self, settlement: Settlement) -> None:
        """Have it done."""
        self._do(self._consumer.exchange([settlement], Want((), 0)))

    def close(self) -> None:
        """Hand back what is in hand."""
        with self._turn:
            try:
                if self._opened:
                    self._runner.run(self._consumer.close())
            finally:
                self._runner.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        with self._turn:
            return self._runner.run(work)

    async def _take(self, queues: tuple[str, ...], limit: int, seconds: float) -> list[Delivery]:
        end = self._clock.monotonic() + seconds
        if not self._opened:
            await self._consumer.open(lease=LEASE, width=limit)
            self._opened = True
        while True:
            turn = await self._consumer.exchange([], Want(queues, limit))
            if turn.lost:
                await self._consumer.open(lease=LEASE, width=limit)
            left = end - self._clock.monotonic()
            if turn.deliveries or left <= 0:
                return turn.deliveries
            due = left if turn.next_due is None else turn.next_due
            await self._consumer.wait(max(0.0, min(left, due, LEASE / 3)))


SLICE = 0.5
"""Seconds that one of several consumers is waited for before the next has its turn."""


def drain(connection: Connection, consumers: list[Consumer], timeout: float | None) -> None:
    """Serve one message of any of the consumers. Raises ``TimeoutError`` after ``timeout`` seconds (None: never)."""
    end = None if timeout is None else SYSTEM.monotonic() + timeout
    while True:
        left = SLICE if end is None else end - SYSTEM.monotonic()
        for consumer in consumers:
            if consumer.serve(max(0.0, min(left, SLICE / len(consumers)))):
                return
        if not consumers:
            SYSTEM.pause(max(0.0, min(left, SLICE)))
        if end is not None and SYSTEM.monotonic() >= end:
            raise TimeoutError("timed out")


__all__ = ["Consumer", "Exchange", "Producer", "Queue", "maybe_declare"]

__getattr__ = offered.names_not_in(__name__)
