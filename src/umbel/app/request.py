"""The running task's own view of its call: ``self.request`` (Celery's ``Context``). Knows no broker and no worker.

A context is made for every task that runs, so it is made of almost nothing: what comes from the message's headers is
looked up there when somebody asks. Users may set attributes of their own on it.
"""

from collections.abc import Callable
from contextvars import ContextVar, Token
from datetime import datetime
from typing import Any

import msgspec

from umbel.core.delivery import Outgoing
from umbel.core.message import Embed, Headers, Message
from umbel.wire.envelope import custom_headers

_NO_EMBED = Embed()
_FROM_HEADERS = frozenset(Headers.__struct_fields__)


class Context:
    """What the task may know of its call, with Celery's names (celery-task ``Context``).

    ``publish`` is Umbel's own: follow-up messages that leave together with the settlement of this task.
    """

    message: Message | None
    embed: Embed
    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None
    hostname: str | None = None
    queue: str | None = None
    redelivered: bool = False
    is_eager: bool = False
    called_directly: bool = True
    logfile: str | None = None
    loglevel: int | None = None
    utc: bool = True
    rest: list[dict[str, Any]] | None = None
    """Of Umbel's own: the block of the chain's rest that the message only names, read before the task started."""

    # Looked up in the message's headers by __getattr__.
    id: str | None
    task: str | None
    lang: str
    shadow: str | None
    eta: str | None
    expires: str | datetime | None
    group: str | None
    group_index: int | None
    retries: int
    root_id: str | None
    parent_id: str | None
    argsrepr: str | None
    kwargsrepr: str | None
    origin: str | None
    ignore_result: bool | None
    replaced_task_nesting: int
    stamped_headers: list[str] | None
    stamps: dict[str, Any] | None

    def __init__(self, message: Message | None = None, embed: Embed = _NO_EMBED, **fields: Any) -> None:
        fields["message"] = message
        fields["embed"] = embed
        self.__dict__ = fields

    def __getattr__(self, name: str) -> Any:
        if name in _FROM_HEADERS:
            message = self.__dict__["message"]
            found = getattr(message.headers, name) if message else _UNCALLED.get(name)
            return None if found is msgspec.UNSET else found
        if name in ("children", "publish"):
            made: list[Any] = []
            setattr(self, name, made)
            return made
        if not name.startswith("_") and name in self._own_headers():
            return self._own_headers()[name]
        raise AttributeError(f"the request of a task has no attribute {name!r}")

    def _own_headers(self) -> dict[str, Any]:
        """The caller's own headers, read once: Celery has each of them as an attribute."""
        own: dict[str, Any] | None = self.__dict__.get("_own")
        if own is None:
            own = self.__dict__["_own"] = self.headers or {}
        return own

    children: list[Any]
    publish: list[Outgoing]
    seen_checkpoint: Any
    load_checkpoint: Callable[["Context"], Any] | None = None

    @property
    def checkpoint(self) -> Any:
        """What an earlier attempt, or this one, gave to ``self.checkpoint``; None if nothing. Read once, blocking."""
        if "seen_checkpoint" not in self.__dict__:
            load = self.__dict__.get("load_checkpoint")
            self.seen_checkpoint = None if load is None else load(self)
        return self.seen_checkpoint

    def __repr__(self) -> str:
        return f"<Context: {self.task}[{self.id}]>"

    def get(self, key: str, default: Any = None) -> Any:
        """``getattr`` with a default, as Celery has it."""
        return getattr(self, key, default)

    @property
    def headers(self) -> dict[str, Any] | None:
        """The caller's own headers: those that the protocol does not name. None when called directly."""
        if self.message is None:
            return None
        return custom_headers(self.message)

    @property
    def timelimit(self) -> tuple[float | None, float | None]:
        """``(hard, soft)`` in seconds, as the caller gave them."""
        return (self.message.headers.timelimit if self.message else None) or (None, None)

    @property
    def time_limit(self) -> float | None:
        """The caller's hard limit in seconds."""
        return self.timelimit[0]

    @property
    def soft_time_limit(self) -> float | None:
        """The caller's soft limit in seconds."""
        return self.timelimit[1]

    @property
    def taskset(self) -> str | None:
        """Celery's old name of ``group``."""
        return self.group

    @property
    def correlation_id(self) -> str | None:
        """The task's id, as AMQP has it."""
        return self.message.properties.correlation_id if self.message else None

    @property
    def reply_to(self) -> str | None:
        """The caller's reply queue."""
        return self.message.properties.reply_to if self.message else None

    @property
    def delivery_info(self) -> dict[str, Any]:
        """Where the message came from: ``exchange``, ``routing_key``, ``priority``, ``redelivered``."""
        if self.message is None:
            return {"is_eager": True} if self.is_eager else {}
        properties = self.message.properties
        info: dict[str, Any] = {
            "exchange": properties.delivery_info.exchange,
            "routing_key": properties.delivery_info.routing_key,
            "priority": properties.priority,
            "redelivered": self.redelivered,
        }
        if self.is_eager:
            info["is_eager"] = True
        return info

    @property
    def properties(self) -> dict[str, Any]:
        """The message's AMQP properties."""
        if self.message is None:
            return {}
        names = self.message.properties.__struct_fields__
        return {name: getattr(self.message.properties, name) for name in names if name != "delivery_info"}

    @property
    def callbacks(self) -> list[dict[str, Any]] | None:
        """Signatures (as data) that run when this task succeeds."""
        return self.embed.callbacks

    @property
    def errbacks(self) -> list[dict[str, Any]] | None:
        """Signatures (as data) that run when this task fails."""
        return self.embed.errbacks

    @property
    def chain(self) -> list[dict[str, Any]] | None:
        """The rest of the chain, last first."""
        return self.embed.chain

    @property
    def chord(self) -> dict[str, Any] | None:
        """The body of the chord that this task is a part of."""
        return self.embed.chord


_UNCALLED = {"lang": "py", "retries": 0, "replaced_task_nesting": 0}

current: ContextVar[Context | None] = ContextVar("umbel_request", default=None)
"""The context of the task that runs here: per thread, and per coroutine."""


def push(context: Context) -> Token[Context | None]:
    """Make ``context`` the current one, until ``pop``."""
    return current.set(context)


def pop(token: Token[Context | None]) -> None:
    """Go back to what was current before ``push``."""
    current.reset(token)
