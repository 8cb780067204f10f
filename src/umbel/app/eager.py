"""``Task.apply``: a call that runs here and now, without a message, through the same execution as in a worker; and its
handle.
"""

from collections.abc import Callable
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from umbel.app import coroutine, request, waiting
from umbel.app.execution import execute
from umbel.app.identity import uuid
from umbel.app.plan import refuse_later, without_ways
from umbel.app.results import AsyncResult
from umbel.app.traits import Traits
from umbel.core import states
from umbel.core.errors import EncodeError, PayloadTooLarge
from umbel.core.message import Embed, Headers, Message, Properties
from umbel.core.outcome import Failure, Ignored, Outcome, Rejected, Retried, Success
from umbel.core.record import Record
from umbel.wire import body, exceptions, serializers

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.app.task import Task


R = TypeVar("R")
_NO_HEADERS = Headers("", "")


class EagerResult(AsyncResult[R]):
    """The handle on a call that was run at once (``apply``): state and value are inside, nothing is read."""

    request: "request.Context | None" = None
    """The call that ran, as errbacks get it."""

    def __init__(
        self,
        id: str | None,
        ret_value: Any,
        state: str,
        traceback: str | None = None,
        name: str | None = None,
        app: "Umbel | None" = None,
    ) -> None:
        super().__init__(id or "", app=app, task_name=name)  # as Celery's, one of nothing may have no id
        self._value = ret_value
        self._record = self._seen = Record(state, ret_value, traceback, task_id=self.id)

    @property
    def result(self) -> Any:
        """The value returned, or the exception raised."""
        return self._value

    info = result

    def ready(self) -> bool:
        """Always."""
        return True

    async def aready(self) -> bool:
        """Always."""
        return True

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        *args: Any,
        disable_sync_subtasks: bool = True,
        **kwargs: Any,
    ) -> R:
        """The value; raises what the task raised if ``propagate``, and ``RuntimeError`` where waiting is denied."""
        if disable_sync_subtasks:
            waiting.check_join()
        if self.state in states.PROPAGATE_STATES and propagate:
            raise self._value if isinstance(self._value, BaseException) else Exception(self._value)
        return cast(R, self._value)

    wait = get

    async def aget(self, timeout: float | None = None, propagate: bool = True, **kwargs: Any) -> R:
        """``get``, for coroutines."""
        return self.get(timeout, propagate, **kwargs)

    def maybe_throw(self, propagate: bool = True, callback: Callable[[str, Any], Any] | None = None) -> Any:
        """As ``get``."""
        value = self.get(propagate=propagate, disable_sync_subtasks=False)
        if callback is not None:
            callback(self.id, value)
        return value

    maybe_reraise = maybe_throw

    def forget(self) -> None:
        """Nothing is stored."""

    async def aforget(self) -> None:
        """Nothing is stored."""

    def revoke(self, *args: Any, **kwargs: Any) -> None:
        """It has run already; only the state changes."""
        self._record = self._seen = Record(states.REVOKED, task_id=self.id)

    def revoke_by_stamped_headers(self, *args: Any, **kwargs: Any) -> None:
        """It has run already."""

    def exists(self) -> bool:
        """Always."""
        return True

    def __repr__(self) -> str:
        return f"<EagerResult: {self.id}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.id, self._value, self.state, self.traceback, self._name)


class Host:
    """The surroundings of a task that runs in its caller. Remembers what the body returned or raised."""

    def __init__(self, task: "Task[..., Any]", traits: Traits, *, stored: bool) -> None:
        self.app = task.app
        self.clock = task.app.clock
        self.nodename = task.app.nodename
        self.traits = traits
        self.store = task.app.store if stored else None
        self.value: Any = None
        self.error: BaseException | None = None

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run it; a coroutine to its end."""
        hook = function is not self.traits.function
        try:
            value = function(*args, **kwargs)
            if iscoroutine(value):
                value = coroutine.run(value)
        except BaseException as error:
            self.error = self.error or error
            raise
        if not hook:
            self.value = value
        return value

    def show(self, outcome: Outcome) -> bool:
        """Store the record, if eager results are stored."""
        record = getattr(outcome, "record", None)
        if self.store is not None and record is not None:
            self.store.sync.write([record])
        return True

    def started(self, record: Record) -> None:
        """Store that it has started, if eager results are stored."""
        if self.store is not None:
            self.store.sync.write([record])


def apply(
    task: "Task[..., Any]",
    args: Any,
    kwargs: Any,
    task_id: str | None,
    retries: int,
    throw: bool | None,
    headers: dict[str, Any] | None,
    fields: dict[str, Any],
    embed: Embed | None = None,
) -> EagerResult[Any]:
    """Run the call, and its retries in place, to the end. See ``Task.apply``."""
    app = task.app
    app.finalize(auto=True)
    refuse_later(task.name, fields)
    without_ways(task.name, fields, app.conf)
    task_id = task_id or uuid(app.clock.now())
    propagate, strict = app.conf.task_eager_propagates if throw is None else throw, app.conf.task_eager_strict
    said = fields.get("ignore_result")
    ignored = bool(task.ignore_result if said is None else said)
    traits = _traits(task, encode=strict or task.store_eager_result)
    while True:
        if strict:
            args, kwargs = carried(task, args, kwargs, fields.get("serializer"))
        host = Host(task, traits, stored=bool(task.store_eager_result) and not ignored)
        context = _context(
            task, args, kwargs, task_id, retries, headers, {**fields, "ignore_result": ignored, "embed": embed}
        )
        outcome = (traits.traced or execute)(traits, context, args, kwargs, host)
        if isinstance(outcome, Retried) and getattr(host.error, "sig", None) is not None and not propagate:
            args, kwargs, options = host.error.sig  # type: ignore[union-attr]
            retries = options["retries"]
            continue
        if strict and not ignored and isinstance(outcome, Success):
            host.value = _carried_value(app, host.value)
        result = _result(task, task_id, outcome, host, propagate)
        result.request = context
        return result


def carried(task: "Task[..., Any]", args: Any, kwargs: Any, serializer: str | None) -> tuple[Any, Any]:
    """Arguments as a worker would get them: written by the serializer, and read. Raises what sending them would."""
    task.app.client.check(task, args, kwargs, {})
    if task.conversion is not None and (serializer or task.serializer) != "pickle":
        args, kwargs = task.conversion.outgoing(args, kwargs)
    try:
        kind, encoding, data = body.encode(args, kwargs, None, serializer or task.serializer)
    except EncodeError as error:
        raise (task.plan.named(error) if task.plan is not None else error) from error.__cause__
    limit = task.app.conf.task_max_payload
    if limit is not None and len(data) > limit:
        raise PayloadTooLarge(task.name, len(data), limit)
    read, named, _ = body.decode(Message(_NO_HEADERS, Properties(), data, kind, encoding), frozenset([kind]))
    return read, named


def _carried_value(app: "Umbel", value: Any) -> Any:
    kind, encoding, data = serializers.encode(value, app.conf.result_serializer)
    return serializers.decode(data, kind, encoding, frozenset([kind]))


def _traits(task: "Task[..., Any]", *, encode: bool) -> Traits:
    """What is known of the task; with ``encode``, its results are written as if they were stored."""
    traits = Traits(task)
    if encode:
        traits.storing = msgspec.structs.replace(traits.storing, store_result=True, store_errors=True)
    else:
        traits.storing = traits.ignoring  # nothing is stored, so nothing need be encoded
    return traits


def _context(
    task: "Task[..., Any]",
    args: Any,
    kwargs: Any,
    task_id: str,
    retries: int,
    headers: dict[str, Any] | None,
    fields: dict[str, Any],
) -> request.Context:
    parent = request.current.get()
    head = Headers(
        task.name,
        task_id,
        shadow=fields.get("shadow"),
        group=fields.get("group_id"),
        group_index=fields.get("group_index"),
        retries=retries,
        timelimit=(fields.get("time_limit", task.time_limit), fields.get("soft_time_limit", task.soft_time_limit)),
        root_id=fields.get("root_id") or (parent.root_id if parent is not None else None) or task_id,
        parent_id=fields.get("parent_id") or (parent.id if parent is not None else None),
        ignore_result=fields["ignore_result"],
    )
    message = Message(
        head, Properties(correlation_id=task_id, priority=fields.get("priority")), b"", custom=headers or {}
    )
    return request.Context(
        message,
        fields["embed"] or Embed(),
        args=args,
        kwargs=kwargs,
        is_eager=True,
        called_directly=False,
        hostname=task.app.nodename,
        logfile=fields.get("logfile"),
        loglevel=fields.get("loglevel"),
    )


def _result(task: "Task[..., Any]", task_id: str, outcome: Outcome, host: Host, propagate: bool) -> EagerResult[Any]:
    match outcome:
        case Success():
            state, value, traceback = states.SUCCESS, host.value, None
        case Failure():
            state, value, traceback = states.FAILURE, host.error, outcome.record.traceback
            if value is None:  # it was not the body that failed
                value = exceptions.rebuild(outcome.record.result)
        case Ignored():
            state, value, traceback = states.IGNORED, host.error, None
        case Rejected():
            state, value, traceback = states.REJECTED, host.error, None
        case _:
            state, value, traceback = states.RETRY, host.error, None
    if propagate and state in (states.FAILURE, states.RETRY):
        raise value
    host.show(outcome)
    return EagerResult(task_id, value, state, traceback, task.name, task.app)


def first_entry(context: request.Context) -> bool:
    """Whether this is the worker's own call of an overridden ``__call__``: once per context of a task."""
    if context.called_directly or context.task is None or "entered" in context.__dict__:
        return False
    context.__dict__["entered"] = True
    return True
