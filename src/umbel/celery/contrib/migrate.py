"""Celery's ``contrib.migrate``: messages that wait, moved to other queues, or to another broker.

Each message is published where it is to go, and then acknowledged where it was: one that is cut off in between is there
twice, and none is lost.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from umbel.celery import offered
from umbel.celery.app.current import app_or_default
from umbel.celery.kombu.message import Message
from umbel.celery.kombu.messaging import Producer
from umbel.celery.utils.nodenames import worker_direct
from umbel.core.queues import Exchange, Queue

QUIET = 1.0
"""Seconds without another message after which it is over."""


class StopFiltering(Exception):
    """Raised by a predicate: look no further."""


class State:
    """How far it is."""

    count = 0
    filtered = 0
    total_apx = 0

    @property
    def strtotal(self) -> str:
        """About how many there are."""
        return str(self.total_apx) if self.total_apx else "?"

    def __repr__(self) -> str:
        return f"^{self.filtered}" if self.filtered else f"{self.count}/{self.strtotal}"


def republish(
    producer: Producer, message: Message, exchange: Any = None, routing_key: str | None = None, **more: Any
) -> None:
    """Publish a message as it is, elsewhere."""
    info = message.delivery_info
    properties = {k: v for k, v in message.properties.items() if k in ("correlation_id", "reply_to", "priority")}
    producer.publish(
        message.body,
        exchange=info.get("exchange") if exchange is None else exchange,
        routing_key=info.get("routing_key") if routing_key is None else routing_key,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        headers={name: value for name, value in message.headers.items() if value is not None},
        **properties,
    )


def migrate_task(producer: Producer, body_: Any, message: Message, queues: Mapping[str, str] | None = None) -> None:
    """Publish a call elsewhere, to a queue of the name that ``queues`` gives for its own."""
    key = message.delivery_info.get("routing_key") or ""
    republish(producer, message, exchange="", routing_key=(queues or {}).get(key, key))


def migrate_tasks(
    source: Any,
    dest: Any,
    migrate: Callable[..., Any] = migrate_task,
    app: Any = None,
    queues: Any = None,
    callback: Callable[..., Any] | None = None,
    limit: int | None = None,
    timeout: float = QUIET,
) -> State:
    """Move what waits at the connection ``source`` to ``dest``. ``queues``: which (default: the app's); a dict renames.

    ``callback(state, body, message)`` is told of each.
    """
    app = app_or_default(app)
    renamed = queues if isinstance(queues, Mapping) else None
    producer = Producer(dest)
    return _walk(
        source,
        _queues(app, queues),
        lambda body, message: (migrate(producer, body, message, queues=renamed), True)[1],
        callback=callback,
        limit=limit,
        timeout=timeout,
    )


def move(
    predicate: Callable[[Any, Message], Any],
    connection: Any = None,
    exchange: Any = None,
    routing_key: str | None = None,
    source: Any = None,
    app: Any = None,
    callback: Callable[..., Any] | None = None,
    limit: int | None = None,
    transform: Callable[[Any], Any] | None = None,
    timeout: float = QUIET,
) -> State:
    """Move the messages for which ``predicate(body, message)`` is true, of ``source`` (default: the app's queues).

    They go to ``exchange`` and ``routing_key``; or to the queue that the predicate returns: its name, a ``Queue``, or
    ``(exchange, routing_key)``; ``transform`` makes one of these of what it returned. What is not moved goes back to
    its place in the end.
    """
    app = app_or_default(app)
    with app.connection_or_acquire(connection) as conn:
        producer = Producer(conn)

        def filtered(body: Any, message: Message) -> bool:
            found = predicate(body, message)
            if not found:
                return False
            target, key = _destination(transform(found) if transform else found, exchange, routing_key)
            republish(producer, message, exchange=target, routing_key=key)
            return True

        return _walk(conn, _queues(app, source), filtered, callback=callback, limit=limit, timeout=timeout)


def _destination(found: Any, exchange: Any, routing_key: str | None) -> tuple[Any, str | None]:
    if isinstance(found, Queue):
        return ("", found.name) if found.exchange.type == "direct" else (found.exchange, found.routing_key)
    if isinstance(found, str):
        return Exchange(), found
    if isinstance(found, tuple | list):
        return found[0], found[1]
    return exchange, routing_key


def _queues(app: Any, given: Any) -> list[Queue]:
    if given is None:
        return list(app.queues_by_name.values()) or [app.amqp.default_queue]
    names = [given] if isinstance(given, str | Queue) else list(given)
    return [Queue.of(name) for name in names]


def _walk(
    connection: Any,
    queues: list[Queue],
    filtered: Callable[[Any, Message], bool],
    *,
    callback: Callable[..., Any] | None,
    limit: int | None,
    timeout: float,
) -> State:
    """Look at each message that waits now, once; acknowledge those that were moved."""
    state = State()
    state.total_apx = sum(depth.ready for depth in connection.producer.survey([queue.name for queue in queues]))

    def look(message: Message) -> None:
        state.count += 1
        body = message.decode()
        if not filtered(body, message):
            return
        state.filtered += 1
        message.ack()
        if callback is not None:
            callback(state, body, message)
        if limit and state.filtered >= limit:
            raise StopFiltering

    with connection.Consumer(queues, on_message=look):
        try:
            while state.count < state.total_apx:
                connection.drain_events(timeout=timeout)
        except (TimeoutError, StopFiltering):
            pass
    return state


def task_id_eq(task_id: str, body: Any, message: Message) -> bool:
    """Whether it is the call with this id."""
    return bool(message.headers.get("id") == task_id)


def task_id_in(ids: Any, body: Any, message: Message) -> bool:
    """Whether it is one of these calls."""
    return message.headers.get("id") in ids


def move_task_by_id(task_id: str, dest: Any, **kwargs: Any) -> State:
    """Move one call to a queue."""
    return move_by_idmap({task_id: dest}, **kwargs)


def move_by_idmap(map: Mapping[str, Any], **kwargs: Any) -> State:
    """Move calls to queues, by id."""
    return move(lambda body, message: map.get(message.headers.get("id") or ""), limit=len(map), **kwargs)


def move_by_taskmap(map: Mapping[str, Any], **kwargs: Any) -> State:
    """Move calls to queues, by the names of their tasks."""
    return move(lambda body, message: map.get(message.headers.get("task") or ""), **kwargs)


move_direct = partial(move, transform=worker_direct)
move_direct_by_id = partial(move_task_by_id, transform=worker_direct)

__all__ = [
    "State",
    "StopFiltering",
    "migrate_task",
    "migrate_tasks",
    "move",
    "move_by_idmap",
    "move_by_taskmap",
    "move_direct",
    "move_direct_by_id",
    "move_task_by_id",
    "republish",
    "task_id_eq",
    "task_id_in",
]

__getattr__ = offered.names_not_in(__name__)
