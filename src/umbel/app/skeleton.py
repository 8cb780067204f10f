"""The head of a call without options, complete but for ids and arguments: made once per task, copied for each call.

Pure. What a call's own options change, and what depends on the time, is the business of ``client``.
"""

from collections.abc import Mapping
from copy import copy
from typing import Any

from umbel.app.argsrepr import short
from umbel.app.config import Config
from umbel.app.identity import origin
from umbel.core.message import DeliveryInfo, Headers, Properties
from umbel.core.options import delivery_mode
from umbel.core.routing import Destination

_PLAIN = frozenset(
    {"queue", "exchange", "routing_key", "delivery_mode", "priority", "serializer", "compression", "ignore_result"}
)
"""The options that a skeleton knows what to do with."""
PLACE = frozenset({"task_id", "group_id", "group_index", "root_id", "parent_id"})
"""Options that say only what a call is a part of."""


class Skeleton:
    """The head of one task's calls, as its own options and its route make it."""

    __slots__ = ("_headers", "_info", "_levels", "_mode", "_priority")

    def __init__(self, name: str, options: Mapping[str, Any], destination: Destination, conf: Config) -> None:
        self._headers = Headers(name, "", ignore_result=options.get("ignore_result"))
        self._info = destination.exchange, destination.routing_key
        self._levels = conf.task_repr_maxlevels
        self._mode = delivery_mode(options.get("delivery_mode"), conf.task_default_delivery_mode)
        priority = options.get("priority")
        self._priority = (conf.task_default_priority or 0) if priority is None else priority

    def head(
        self, task_id: str, args: Any, kwargs: Any, place: Mapping[str, Any] | None = None
    ) -> tuple[Headers, Properties]:
        """Headers and properties of a call that no task makes. ``place``: options of ``PLACE``."""
        headers = copy(self._headers)
        headers.id = headers.root_id = task_id
        if place:
            headers.group, headers.group_index = place.get("group_id"), place.get("group_index")
            headers.root_id, headers.parent_id = place.get("root_id") or task_id, place.get("parent_id")
        headers.argsrepr, headers.kwargsrepr = short(args, self._levels), short(kwargs, self._levels)
        headers.origin = origin()
        headers.stamps = {}
        return headers, Properties(task_id, None, self._mode, DeliveryInfo(*self._info), self._priority)


def skeleton(name: str, options: Mapping[str, Any], destination: Destination, conf: Config) -> Skeleton | None:
    """The skeleton for these options; None where they say something that has to be looked at for each call."""
    return Skeleton(name, options, destination, conf) if options.keys() <= _PLAIN else None
