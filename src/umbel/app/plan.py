"""What does not change between two calls of one task: its options, its route, and how its arguments are checked.

Made once per task and thrown away when the task or the configuration changes. Pure once made.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from umbel.app.config import Config
from umbel.app.nearest import advice
from umbel.app.parameters import signature_of
from umbel.app.skeleton import PLACE, Skeleton, skeleton
from umbel.core.errors import EncodeError, ImproperlyConfigured
from umbel.core.message import Embed
from umbel.core.options import merge
from umbel.core.routing import Destination, Router
from umbel.core.signature import FOLLOWERS

if TYPE_CHECKING:
    from umbel.app.task import Task

Check = Callable[[tuple[Any, ...] | list[Any], Mapping[str, Any]], None]

FROM_TASK = (
    "queue",
    "exchange",
    "routing_key",
    "delivery_mode",
    "priority",
    "expires",
    "serializer",
    "compression",
    "time_limit",
    "soft_time_limit",
)
"""Attributes of a task that are options of its calls."""

OPTIONS = frozenset(FROM_TASK) | {
    "add_to_parent",
    "argsrepr",
    "countdown",
    "eta",
    "exchange_type",
    "group_id",
    "group_index",
    "headers",
    "ignore_result",
    "kwargsrepr",
    "origin",
    "parent_id",
    "replaced_task_nesting",
    "reply_to",
    "retries",
    "retry",
    "retry_policy",
    "root_id",
    "route_name",
    "shadow",
    "stamped_headers",
    "task_id",
}
PROPERTIES = frozenset(
    {"app_id", "cluster_id", "correlation_id", "expiration", "message_id", "timestamp", "type", "user_id"}
)
"""AMQP's own; a broker without AMQP has no place for most of them."""

CANVAS = frozenset(FOLLOWERS)

LATER = frozenset(
    {
        "confirm_timeout",
        "declare",
        "immediate",
        "mandatory",
        "result_cls",
        "router",
        "timeout",
    }
)

WAYS = frozenset({"connection", "producer", "publisher"})
"""Options that say through what a call is sent. What leads to the app's own broker is taken, and changes nothing."""


class Plan:
    """The calls of one task, prepared. ``task`` is None for calls by name.

    ``routed`` and ``destination`` are what a call without options of its own comes to, and ``skeleton`` is its head;
    None where the route may depend on the arguments. ``parameters`` names the task's positional parameters, for error
    messages.
    """

    __slots__ = (
        "check",
        "compression",
        "conf",
        "conversion",
        "destination",
        "max_payload",
        "name",
        "options",
        "parameters",
        "routed",
        "router",
        "serializer",
        "skeleton",
        "task",
        "version",
    )

    def __init__(self, name: str, task: "Task[..., Any] | None", router: Router, conf: Config, *, fixed: bool) -> None:
        self.name = name
        self.task = task
        self.router = router
        self.version, self.conf = conf.version, conf
        self.serializer, self.compression = conf.task_serializer, conf.task_compression
        self.max_payload = conf.task_max_payload
        self.options = _own_options(task) if task is not None else {}
        self.conversion = task.conversion if task is not None else None
        self.check: Check | None = None
        self.parameters: tuple[str, ...] = ()
        if task is not None and task.typing:
            self.parameters, self.check = _checker(task)
        self.routed: dict[str, Any] | None = None
        self.destination: Destination | None = None
        self.skeleton: Skeleton | None = None
        if fixed:
            self.routed = router.route(name, (), {}, self.options, task=task)
            self.destination = router.destination(self.routed)
            self.skeleton = skeleton(name, self.routed, self.destination, conf)

    def merge(
        self, args: Any, kwargs: Any, options: Mapping[str, Any] | None
    ) -> tuple[dict[str, Any] | Mapping[str, Any], Destination]:
        """The options of one call, and where they lead. Raises ``TypeError`` for an option that calls do not have.

        Those that only say what the call is a part of lead nowhere else: they are not among what is returned then.
        """
        if (
            (not options or (self.skeleton is not None and options.keys() <= PLACE))
            and self.routed is not None
            and self.destination is not None
        ):
            return self.routed, self.destination
        call = options or {}
        if not call.keys() <= OPTIONS:
            call = without_ways(self.name, call, self.conf)
            _refuse_unknown(self.name, call)
        name = call.get("route_name") or self.name
        routed = self.router.route(name, args, kwargs, merge(self.options, call), task=self.task)
        return routed, self.router.destination(routed)

    def named(self, error: EncodeError, embed: Embed | None = None) -> EncodeError:
        """The error with the argument's position and name: ``argument 2 ('callback') of tasks.add``.

        Where it is in what follows the task, the signature is named: ``argument 1 of tasks.b, in the chain after …``.
        """
        if len(error.path) < 2:
            return EncodeError(f"{self.name}: {error}")
        part, where, *inner = error.path
        if part == "embed" and embed is not None:
            return EncodeError(f"{_place_in(embed, error.path[1:])} after {self.name}: {error.reason}")
        if part == "args":
            name = self.parameters[where] if isinstance(where, int) and where < len(self.parameters) else None
            what = f"argument {where + 1}" + (f" ({name!r})" if name else "")
        else:
            what = f"argument {where!r}"
        place = "".join(f"[{step!r}]" for step in inner)
        return EncodeError(f"{what} of {self.name}{', at ' + place if place else ''}: {error.reason}")


def _place_in(embed: Embed, path: Sequence[Any]) -> str:
    """Where in what follows a task: the innermost signature on the path, and what of it."""
    node: Any = getattr(embed, path[0])
    name, left = None, list(path[1:])
    for number, step in enumerate(path[1:], 2):
        node = node[step]
        if isinstance(node, Mapping) and isinstance(node.get("task"), str):
            name, left = node["task"], list(path[number:])
    if name is None and isinstance(getattr(embed, path[0]), Mapping):
        name = getattr(embed, path[0])["task"]
    if left[:1] == ["args"] and len(left) > 1:
        what = f"argument {left[1] + 1}"
    elif left[:1] == ["kwargs"] and len(left) > 1:
        what = f"argument {left[1]!r}"
    else:
        what = "".join(f"[{step!r}]" for step in left)
    return f"{what} of {name}, in the {_SAID.get(path[0], path[0])}"


_SAID = {"chord": "body of the chord", "callbacks": "callbacks", "errbacks": "errbacks"}


def _own_options(task: "Task[..., Any]") -> dict[str, Any]:
    own = {option: getattr(task, option, None) for option in FROM_TASK}
    own["ignore_result"] = bool(task.ignore_result)
    return merge(own)


def _refuse_unknown(name: str, call: Mapping[str, Any]) -> None:
    stamps = call.get("stamped_headers") or ()
    for option in call:
        if option in OPTIONS or option in CANVAS or option in PROPERTIES or option in stamps:
            continue
        if option not in LATER:
            raise TypeError(f"{name}: there is no option {option!r}{advice(option, OPTIONS)}")
    refuse_later(name, call)


def refuse_later(name: str, call: Mapping[str, Any]) -> None:
    """Raise ``ImproperlyConfigured`` for an option that a later release builds, unless it is None or False."""
    for option in LATER & call.keys():
        if call[option] is not None and call[option] is not False:
            raise ImproperlyConfigured(f"{name}: option {option!r} is not built yet; leave it out")


def without_ways(name: str, call: Mapping[str, Any], conf: Config) -> Mapping[str, Any]:
    """The options without ``WAYS``. Raises ``ImproperlyConfigured`` for one that leads to another broker."""
    for option in WAYS & call.keys():
        leads_to = getattr(call[option], "leads_to", None)
        if call[option] is not None and not (leads_to is not None and leads_to(conf)):
            raise ImproperlyConfigured(
                f"{name}: option {option!r} is not built yet for another broker than the app's; use its own app"
            )
    return {option: value for option, value in call.items() if option not in WAYS}


# Arguments ------------------------------------------------------------------------------------------------------------

_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_PLAIN = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _checker(task: "Task[..., Any]") -> tuple[tuple[str, ...], Check | None]:
    """The names of the positional parameters, and the check of a call's arguments.

    The check looks at the number of arguments; only where that does not settle it, ``Signature.bind`` decides.
    """
    try:
        signature = signature_of(task)
    except (TypeError, ValueError):
        return (), None  # written in C: it checks its arguments itself
    parameters = signature.parameters.values()
    positional = [parameter for parameter in parameters if parameter.kind in _PLAIN]
    named = frozenset(p.name for p in parameters if p.kind not in (inspect.Parameter.POSITIONAL_ONLY, *_VARIABLE))
    required = frozenset(p.name for p in parameters if p.kind not in _VARIABLE and p.default is p.empty)
    keyword_only = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
    least = sum(1 for parameter in positional if parameter.default is parameter.empty)
    most = float("inf") if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(positional)
    if keyword_only:
        most = -1  # counting cannot settle it

    def check(args: tuple[Any, ...] | list[Any], kwargs: Mapping[str, Any]) -> None:
        if not kwargs:
            if least <= len(args) <= most:
                return
        elif not args and required <= kwargs.keys() <= named:
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{task.name}{signature}: {error}") from None

    return tuple(parameter.name for parameter in positional), check
