"""Queues as data: what a queue is called, what it is bound to, which messages it takes. Pure; it declares nothing."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from umbel.core.errors import ImproperlyConfigured, QueueNotFound

COPY = "umbel:cast:"
"""What the names of workers' own copies of broadcast queues begin with."""


_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def check_name(name: str) -> None:
    """Raise ``ImproperlyConfigured`` for what cannot be the name of a queue: brokers and logs keep it among others."""
    if _UNFIT.search(name):
        raise ImproperlyConfigured(
            f"{name!r} is no name for a queue: it has a control character, or half of a surrogate pair"
        )


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
        """Gather what was said in several ways, so that equal queues are equal. Raises ``ImproperlyConfigured``."""
        check_name(self.name)
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
        found = Queue(str.__str__(name))  # a member of an enum of texts says its value so, and only so
    return found
