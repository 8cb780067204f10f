"""The ``task_routes`` and ``task_queues`` settings as a router. Imports what they name; decides nothing itself."""

import re
from collections.abc import Mapping
from typing import Any

from umbel.app import source
from umbel.app.config import Config
from umbel.core.errors import ImproperlyConfigured
from umbel.core.queues import Exchange, Queue, read_queues
from umbel.core.routing import Router


def router_of(conf: Config) -> tuple[Router, bool]:
    """The router, and whether it is fixed: made of tables only, so that arguments do not matter."""
    routes = _resolved(conf.task_routes)
    default_key = conf.task_default_routing_key or conf.task_default_queue
    declared = {name: queue.bound_by(default_key) for name, queue in read_queues(conf.task_queues).items()}
    queues = declared or {conf.task_default_queue: _default_queue(conf)}
    router = Router(
        routes, queues, default_queue=conf.task_default_queue, create_missing=conf.task_create_missing_queues
    )
    return router, _fixed(routes)


def _default_queue(conf: Config) -> Queue:
    name = conf.task_default_queue
    kind, exchange = conf.task_default_exchange_type, conf.task_default_exchange
    if exchange is None and kind == "direct":
        return Queue(name, routing_key=conf.task_default_routing_key or "")
    return Queue(name, Exchange(exchange or name, kind), conf.task_default_routing_key or name)


def _resolved(routes: Any) -> Any:
    """Routes with dotted names replaced by what they name."""
    if isinstance(routes, str):
        try:
            found = source.load(routes)
        except ImportError as error:
            raise ImproperlyConfigured(f"task_routes: {routes!r} cannot be imported: {error}") from error
        return found() if isinstance(found, type) else found
    if isinstance(routes, list | tuple):
        return [_resolved(route) if isinstance(route, str) else route for route in routes]
    return routes


def _fixed(routes: Any) -> bool:
    if routes is None or isinstance(routes, Mapping):
        return True
    if not isinstance(routes, list | tuple):
        return False
    return all(isinstance(route, Mapping | str | re.Pattern) or _fixed_pair(route) for route in routes)


def _fixed_pair(route: Any) -> bool:
    return isinstance(route, list | tuple) and not any(callable(part) for part in route) and _fixed_parts(route)


def _fixed_parts(route: Any) -> bool:
    return all(isinstance(part, str | re.Pattern | Mapping | Queue) or _fixed_pair(part) for part in route)
