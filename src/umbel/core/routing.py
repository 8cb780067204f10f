"""Where a call goes: the ``task_routes`` setting as a function. Pure; it declares nothing.

Of what is said about one call, the call's own options win over the task's attributes, and those over the routes
(measured on Celery 5.7).
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from umbel.core.errors import ImproperlyConfigured, QueueNotFound
from umbel.core.options import merge
from umbel.core.queues import Broadcast, Queue, cannot_broadcast, find_queue

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
