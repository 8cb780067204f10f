"""Where a call goes: queues as data, and the ``task_routes`` setting as a function. Pure; it declares nothing.

Of what is said about one call, the call's own options win over the task's attributes, and those over the routes
(measured on Celery 5.7).
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from umbel.core.errors import ImproperlyConfigured, QueueNotFound
from umbel.core.options import merge

COPY = "umbel:cast:"
"""What the names of workers' own copies of broadcast queues begin with."""


class Exchange(msgspec.Struct, frozen=True):
    """Where AMQP sends to. ``""`` is the default one, which leads to the queue that the routing key names.

    ``type`` is ``direct`` (the routing key is the queue's), ``topic`` (it matches the queue's pattern: ``*`` is one
    word, ``#`` any number) or ``fanout`` (every queue that is bound). The rest is kombu's, for brokers that know it.
    """

    name: str = ""
    type: str = "direct"
    durable: bool = True
    auto_delete: bool = False
    delivery_mode: int | str | None = None
    arguments: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.type not in ("direct", "topic", "fanout"):
            raise ImproperlyConfigured(
                f"exchange {self.name!r} is of type {self.type!r}; there are direct, topic and fanout"
            )


class Binding(msgspec.Struct, frozen=True):
    """An exchange that a queue is bound to, and by which routing key (the queue's name). Kombu's ``binding``."""

    exchange: Exchange = Exchange()
    routing_key: str = ""
    arguments: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.exchange.type == "fanout":
            raise ImproperlyConfigured(
                f"exchange {self.exchange.name!r} is a fan-out one: make it the exchange of the queue, not one of many"
            )


class Link(NamedTuple):
    """One way from an exchange to a queue."""

    exchange: Exchange
    routing_key: str


class Queue(msgspec.Struct, frozen=True):
    """A queue and what it is bound to: an ``exchange``, and ``bindings`` besides or, in its place, a list of them.

    What else kombu's queues take (``durable``, ``max_priority``, ``queue_arguments``, …) is kept in ``options`` and
    ``arguments``, for brokers that know it.
    """

    name: str
    exchange: Exchange = Exchange()
    routing_key: str = ""
    arguments: dict[str, Any] = {}
    options: dict[str, Any] = {}
    bindings: tuple[Binding, ...] = ()
    queue_arguments: dict[str, Any] | None = None
    durable: bool | None = None
    exclusive: bool | None = None
    auto_delete: bool | None = None
    expires: float | None = None
    message_ttl: float | None = None
    max_length: int | None = None
    max_length_bytes: int | None = None
    max_priority: int | None = None

    def __post_init__(self) -> None:
        """Gather what was said in several ways, so that equal queues are equal."""
        told = {name: value for name in sorted(_KOMBU_OPTIONS) if (value := getattr(self, name)) is not None}
        for name in told:
            msgspec.structs.force_setattr(self, name, None)
        if told:
            msgspec.structs.force_setattr(self, "options", {**self.options, **told})
        if self.queue_arguments is not None:
            msgspec.structs.force_setattr(self, "arguments", {**self.arguments, **self.queue_arguments})
            msgspec.structs.force_setattr(self, "queue_arguments", None)
        bindings: Any = self.bindings
        exchange: Any = self.exchange
        if isinstance(exchange, list | tuple | set | frozenset):
            bindings, exchange = (*bindings, *exchange), Exchange()
        elif exchange is None or isinstance(exchange, str):
            exchange = Exchange(exchange or "")
        msgspec.structs.force_setattr(self, "exchange", exchange)
        msgspec.structs.force_setattr(self, "bindings", tuple(bindings))

    @property
    def links(self) -> tuple[Link, ...]:
        """Everything that it is bound to, each by a key: its own exchange first."""
        own = (Link(self.exchange, self.routing_key),) if self.exchange.name else ()
        return tuple(Link(link.exchange, link.routing_key or self.name) for link in (*own, *self.bindings))

    @classmethod
    def of(cls, value: Any, name: str = "") -> "Queue":
        """Read one queue of ``task_queues``: a name, a Queue (ours or kombu's), or a mapping of its options.

        Raises ``ImproperlyConfigured`` for an option that queues do not have.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(value)
        if isinstance(value, Mapping):
            return cls._of_mapping(name, value)
        if isinstance(getattr(value, "name", None), str):
            return cls._of_kombu(value)
        raise ImproperlyConfigured(
            f"task_queues: {value!r} is no queue; write a name, a Queue, or a dict of its options"
        )

    @classmethod
    def _of_mapping(cls, name: str, given: Mapping[str, Any]) -> "Queue":
        unknown = sorted(given.keys() - _QUEUE_OPTIONS)
        if unknown:
            raise ImproperlyConfigured(
                f"task_queues: queue {name!r} has an unknown option {unknown[0]!r}; "
                f"known are {', '.join(sorted(_QUEUE_OPTIONS))}"
            )
        exchange = given.get("exchange") or ""
        if isinstance(exchange, str):
            exchange = Exchange(exchange, given.get("exchange_type") or "direct")
        return cls(
            given.get("name") or name,
            Exchange(exchange.name, exchange.type),
            given.get("routing_key") or given.get("binding_key") or name,
            dict(given.get("queue_arguments") or {}),
            {option: value for option, value in given.items() if option in _KOMBU_OPTIONS},
        )

    @classmethod
    def _of_kombu(cls, queue: Any) -> "Queue":
        exchange = getattr(queue, "exchange", None)
        alias = getattr(queue, "alias", None)  # of a Broadcast: its own name is another one in every process
        kind = Broadcast if alias else cls
        return kind(
            alias or queue.name,
            Exchange(exchange.name or "", exchange.type or "direct") if exchange else Exchange(),
            getattr(queue, "routing_key", None) or "",
            dict(getattr(queue, "queue_arguments", None) or {}),
            {option: value for option in _KOMBU_OPTIONS if (value := getattr(queue, option, None)) is not None},
            tuple(_binding_of(binding) for binding in getattr(queue, "bindings", None) or ()),
        )

    def bind(self, channel: Any) -> Any:
        """The queue at a connection (kombu's ``queue(channel)``): to declare, purge and read it there."""
        return channel.bound(self)

    __call__ = maybe_bind = bind

    @property
    def is_fanout(self) -> bool:
        """Whether it gets everything that is sent to its exchange."""
        return self.exchange.type == "fanout"

    def bound_by(self, default_key: str) -> "Queue":
        """This queue; bound to its exchange by ``default_key`` if nothing was said, as Celery does."""
        if self.routing_key or not self.exchange.name:
            return self
        return msgspec.structs.replace(self, routing_key=default_key)

    def takes(self, exchange: str, routing_key: str) -> bool:
        """Whether a message sent to ``exchange`` with ``routing_key`` lands here."""
        if exchange == "":
            return routing_key == self.name
        return any(link.exchange.name == exchange and _leads(link, routing_key) for link in self.links)


class Broadcast(Queue, frozen=True):
    """A queue of which every worker that reads it has a copy: what is sent there runs once in each of them.

    It is bound to a fan-out exchange of its own name, unless it is given another. Kombu's class of this name is taken
    for one too.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.exchange.name:
            msgspec.structs.force_setattr(self, "exchange", Exchange(self.name, "fanout"))


def cannot_broadcast(queue: str, broker: str) -> ImproperlyConfigured:
    """What is said where a broker gives workers no copies."""
    return ImproperlyConfigured(
        f"queue {queue!r} is a Broadcast, and the {broker} broker cannot give every worker a copy of its messages; "
        "use redis:// for it"
    )


def copy_of(queue: str, worker: str) -> str:
    """The name of one worker's copy of a broadcast queue."""
    return f"{COPY}{worker}:{queue}"


def original_of(queue: str) -> str:
    """The broadcast queue that ``queue`` is a copy of, or itself."""
    return queue.removeprefix(COPY).partition(":")[2] if queue.startswith(COPY) else queue


_KOMBU_OPTIONS = frozenset(
    {"durable", "exclusive", "auto_delete", "expires", "message_ttl", "max_length", "max_length_bytes", "max_priority"}
)
_QUEUE_OPTIONS = _KOMBU_OPTIONS | {"name", "exchange", "exchange_type", "routing_key", "binding_key", "queue_arguments"}


def _binding_of(value: Any) -> Binding:
    """A binding, also kombu's."""
    if isinstance(value, Binding):
        return value
    exchange = value.exchange
    return Binding(Exchange(exchange.name or "", exchange.type or "direct"), value.routing_key or "")


def _leads(link: "Link", routing_key: str) -> bool:
    match link.exchange.type:
        case "fanout":
            return True
        case "topic":
            return _topic(link.routing_key.split("."), routing_key.split("."))
    return routing_key == link.routing_key


def _topic(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    word, *rest = pattern
    if word == "#":  # any number of words, also none
        return any(_topic(rest, words[count:]) for count in range(len(words) + 1))
    return bool(words) and word in ("*", words[0]) and _topic(rest, words[1:])


def read_queues(setting: Any) -> dict[str, Queue]:
    """The ``task_queues`` setting, by name: a list of queues or names, or a dict of name to options or Queue."""
    if not setting:
        return {}
    if isinstance(setting, Mapping):
        queues = [Queue.of({} if value is None else value, name) for name, value in setting.items()]
    else:
        queues = [Queue.of(value) for value in ([setting] if isinstance(setting, str) else setting)]
    return {queue.name: queue for queue in queues}


def find_queue(name: str, declared: Mapping[str, Queue], *, create_missing: bool) -> Queue:
    """The queue of this name. One that is not declared is made up, or ``QueueNotFound`` if that is not wanted."""
    found = declared.get(name)
    if found is None:
        if not create_missing and not name.startswith(COPY):
            raise QueueNotFound(name, declared)
        found = Queue(name)
    return found


# Routes ---------------------------------------------------------------------------------------------------------------

Route = Mapping[str, Any] | str | Queue | None
"""What a route says: options, or the name of a queue, or nothing."""

RouteFunction = Callable[..., Route]
"""``(name, args, kwargs, options, task=None, **kw) -> Route``"""


class Destination(msgspec.Struct, frozen=True):
    """Where a message goes: the declared queues that get it, and what its ``delivery_info`` says.

    ``type`` is the exchange's. Without an exchange there is exactly one queue.
    """

    queues: tuple[str, ...]
    exchange: str
    routing_key: str
    type: str = "direct"


class Router:
    """The ``task_routes`` setting, asked for one call at a time.

    ``routes`` is a dict from task names to routes, where names may be globs (with a ``*``) or compiled patterns; or a
    list of pairs of these; or a function; or a list of any of them, of which the first that answers is taken.
    """

    def __init__(
        self,
        routes: Any = None,
        queues: Mapping[str, Queue] | None = None,
        *,
        default_queue: str = "celery",
        create_missing: bool = True,
    ) -> None:
        self.queues: Mapping[str, Queue] = {} if queues is None else queues
        self.default_queue = default_queue
        self.create_missing = create_missing
        self._routes = [_reader(route) for route in _listed(routes)]

    def route(
        self, name: str, args: Any = (), kwargs: Any = None, options: Mapping[str, Any] | None = None, task: Any = None
    ) -> dict[str, Any]:
        """``options`` (of the call and the task, merged) over what the routes say for task ``name``."""
        options = {} if options is None else options
        for reader in self._routes:
            found = reader(name, args, {} if kwargs is None else kwargs, options, task=task)
            if found:
                return merge(_as_options(found), options)
        return merge(options)

    def destination(self, options: Mapping[str, Any]) -> Destination:
        """Where routed options lead. Raises ``QueueNotFound``.

        A direct queue is addressed by its name. An exchange is followed to the declared queues that are bound so; there
        may be none, and brokers with tables of their own may know others.
        """
        exchange, key, kind = _name(options.get("exchange")), options.get("routing_key"), options.get("exchange_type")
        if exchange == "" and key and _name(options.get("queue")) in (None, key):
            name = self.find(key).name  # AMQP's default exchange leads to the queue, whatever that is bound to
            return Destination((name,), "", name)
        if exchange and not key:
            key = self._own_key(exchange, kind)
        if not (exchange and key):
            queue = self._queue(options.get("queue"))
            kind = kind or queue.exchange.type
            if kind == "direct":
                return Destination((queue.name,), "", queue.name)
            exchange, key = exchange or queue.exchange.name, key or queue.routing_key
        links = (link.exchange for queue in self.queues.values() for link in queue.links)
        known = next((found for found in links if found.name == exchange), None)
        bound = tuple(name for name, queue in self.queues.items() if queue.takes(exchange, key))
        return Destination(bound, exchange, key, kind or (known.type if known is not None else "direct"))

    def each(self, destination: Destination, broker: str) -> tuple[str, ...]:
        """The queues of an exchange, for a ``broker`` that has no tables of its own.

        Raises ``QueueNotFound`` if there are none, ``ImproperlyConfigured`` for a broadcast queue.
        """
        if not destination.queues:
            raise QueueNotFound(f"bound to exchange {destination.exchange} by {destination.routing_key}", self.queues)
        for name in destination.queues:
            if isinstance(self.queues[name], Broadcast):
                raise cannot_broadcast(name, broker)
        return destination.queues

    def _own_key(self, exchange: str, kind: str | None) -> str | None:
        """What a fan-out exchange is addressed by when nobody says: Celery's workers listen for their queue's key."""
        bound = (queue for queue in self.queues.values() if queue.exchange.name == exchange and queue.is_fanout)
        return next((queue.routing_key for queue in bound), None) if kind in (None, "fanout") else None

    def _queue(self, wanted: Any) -> Queue:
        if wanted is None or isinstance(wanted, str):
            return self.find(wanted or self.default_queue)
        queue = Queue.of(wanted)
        return self.queues.get(queue.name, queue)

    def find(self, name: str) -> Queue:
        """The declared queue of this name, or a made-up one, or ``QueueNotFound``."""
        return find_queue(name, self.queues, create_missing=self.create_missing)


def _name(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value.name)


def _listed(routes: Any) -> Iterable[Any]:
    if routes is None:
        return ()
    if isinstance(routes, list | tuple) and not _pairs(routes):
        return routes
    return (routes,)


def _pairs(routes: Any) -> bool:
    return bool(routes) and all(
        isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str | re.Pattern) for item in routes
    )


def _reader(route: Any) -> RouteFunction:
    if isinstance(route, Mapping):
        return _Table(route.items())
    if isinstance(route, list | tuple) and (not route or _pairs(route)):
        return _Table(route)
    old_style = getattr(route, "route_for_task", None)
    if old_style is not None:
        return lambda name, args, kwargs, options, task=None: old_style(name, args, kwargs)
    if callable(route):
        return route  # type: ignore[no-any-return]
    raise ImproperlyConfigured(f"task_routes: {route!r} is no route; write a dict, a list of pairs, or a function")


class _Table:
    """Task names to routes: exact names first, then patterns in their order."""

    def __init__(self, pairs: Iterable[Any]) -> None:
        self._exact: dict[str, Route] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        for key, route in pairs:
            if isinstance(key, re.Pattern):
                self._patterns.append((key, route))
            elif "*" in key:
                self._patterns.append((re.compile(fnmatch.translate(key)), route))
            else:
                self._exact[key] = route
        self._match = lru_cache(maxsize=4096)(self._first)

    def __call__(self, name: str, *_: Any, **__: Any) -> Route:
        found = self._exact.get(name)
        return self._match(name) if found is None and self._patterns else found

    def _first(self, name: str) -> Route:
        return next((route for pattern, route in self._patterns if pattern.match(name)), None)


def _as_options(route: Any) -> Mapping[str, Any]:
    if isinstance(route, Mapping):
        return route
    if isinstance(route, str) or hasattr(route, "name"):
        return {"queue": route}
    raise ImproperlyConfigured(f"task_routes: a route is a dict of options or the name of a queue, not {route!r}")
