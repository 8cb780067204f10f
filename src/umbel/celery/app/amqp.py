"""Celery's ``app.amqp``: queues and routes under its names, and task messages made by hand."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from umbel.app.application import Umbel
from umbel.celery import offered
from umbel.core.message import Embed
from umbel.core.queues import Exchange, Queue
from umbel.wire import body as wire_body


class task_message(NamedTuple):
    """A call as a message, before it is sent."""

    headers: dict[str, Any]
    properties: dict[str, Any]
    body: Any
    sent_event: dict[str, Any] | None


class Queues(Mapping[str, Queue]):
    """The declared queues by name. A name that is not declared is a queue of that name, where settings allow it."""

    def __init__(self, app: Umbel) -> None:
        self._app = app

    def __getitem__(self, name: str) -> Queue:
        router = self._app.router
        if not isinstance(name, str):
            raise KeyError(name)
        return router.find(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._app.queues_by_name)

    def __len__(self) -> int:
        return len(self._app.queues_by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._app.queues_by_name

    def add(self, queue: Any, **options: Any) -> Queue:
        """Declare one more."""
        found = Queue.of(options, queue) if options and isinstance(queue, str) else Queue.of(queue)
        self._app.conf.task_queues = [*self._app.queues_by_name.values(), found]
        return found

    def select(self, include: Any) -> None:
        """Keep these only."""
        if include:
            names = [include] if isinstance(include, str) else list(include)
            self._app.conf.task_queues = [self[name] for name in names]

    def deselect(self, exclude: Any) -> None:
        """Keep all but these."""
        without = {exclude} if isinstance(exclude, str) else set(exclude or ())
        kept = [queue for name, queue in self._app.queues_by_name.items() if name not in without]
        self._app.conf.task_queues = kept

    @property
    def consume_from(self) -> Mapping[str, Queue]:
        """Those that a worker reads."""
        return self._app.queues_by_name


class ProducerPool:
    """Gives out producers, each of them the same way to the same broker."""

    def __init__(self, app: Any) -> None:
        self._app = app

    @contextmanager
    def acquire(self, block: bool = False, timeout: float | None = None) -> Iterator[Any]:
        """A producer, for a block."""
        with self._app.connection() as connection:
            yield connection.Producer()


class TaskRouter:
    """Celery's face of the routes: ``app.amqp.router.route({}, "proj.add")["queue"].name``."""

    def __init__(self, app: Umbel) -> None:
        self._app = app

    def route(
        self, options: Any, name: str, args: Any = (), kwargs: Any = None, task_type: Any = None
    ) -> dict[str, Any]:
        """The call's options with where it goes, a queue as an object. Raises ``QueueNotFound``."""
        router = self._app.router
        found = router.route(name, args, kwargs, options, task=task_type)
        queue = found.get("queue")
        if isinstance(queue, str) or (queue is None and not (found.get("exchange") or found.get("routing_key"))):
            found["queue"] = router.find(queue or router.default_queue)
        return found


class AMQP:
    """``app.amqp``."""

    def __init__(self, app: Umbel) -> None:
        self.app: Any = app
        self.queues = Queues(app)
        self.producer_pool = self.publisher_pool = ProducerPool(app)

    @property
    def router(self) -> "TaskRouter":
        """What the routes say."""
        return TaskRouter(self.app)

    @property
    def routes(self) -> Any:
        """The setting."""
        return self.app.conf.task_routes

    @property
    def default_queue(self) -> Queue:
        """Where calls go of which nothing is said."""
        return self.queues[self.app.conf.task_default_queue]

    @property
    def default_exchange(self) -> Exchange:
        """What that is bound to."""
        return self.default_queue.exchange

    def Producer(self, channel: Any, **options: Any) -> Any:
        """What publishes through a connection."""
        return channel.Producer(**{"serializer": self.app.conf.task_serializer, **options})

    def TaskConsumer(self, channel: Any, queues: Any = None, accept: Any = None, **options: Any) -> Any:
        """What takes task messages off the declared queues."""
        wanted = list(self.app.queues_by_name.values()) if queues is None else queues
        return channel.Consumer(
            wanted or [self.default_queue], accept=accept or self.app.conf.accept_content, **options
        )

    def as_task_v2(self, task_id: str, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> task_message:
        """A call as a message of protocol 2; ``options`` are those of ``apply_async``, and Celery's names for them."""
        for theirs, ours in (("callbacks", "link"), ("errbacks", "link_error")):
            if theirs in options:
                options[ours] = options.pop(theirs)
        for unsaid in ("create_sent_event", "now", "argsrepr_maxsize", "kwargsrepr_maxsize"):
            options.pop(unsaid, None)
        said = {key: value for key, value in options.items() if value is not None}
        message = self.app.client.build(name, list(args or ()), kwargs or {}, {**said, "task_id": task_id}).message
        args, kwargs, embed = wire_body.decode(message, frozenset([message.content_type]))
        headers = {key: value for key, value in msgspec.to_builtins(message.headers).items() if key != "compression"}
        properties = {"correlation_id": task_id, "reply_to": message.properties.reply_to or ""}
        body = (args, kwargs, msgspec.structs.asdict(embed or Embed()))
        return task_message({**headers, **(message.custom or {})}, properties, body, None)

    create_task_message = as_task_v2

    def send_task_message(
        self,
        producer: Any,
        name: str,
        message: task_message,
        exchange: Any = None,
        routing_key: str | None = None,
        queue: Any = None,
        **options: Any,
    ) -> None:
        """Publish what ``as_task_v2`` made."""
        target = self.default_queue if queue is None else Queue.of(queue)
        bound = bool(target.exchange.name and target.exchange.type != "direct")
        given = {
            "exchange": exchange if exchange is not None else target.exchange if bound else None,
            "routing_key": routing_key or (target.routing_key if bound else target.name),
        }
        options.setdefault("serializer", self.app.conf.task_serializer)
        for unsaid in ("event_dispatcher", "exchange_type", "headers"):
            options.pop(unsaid, None)
        producer.publish(message.body, headers=message.headers, **given, **message.properties, **options)


__all__ = ["AMQP", "Queues", "task_message"]

__getattr__ = offered.names_not_in(__name__)
