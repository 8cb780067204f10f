"""One call of one task, from arguments to outcome: a pipeline of small steps over one ``Run``.

Used by the worker's lanes and by ``Task.apply()``. It says what user code is to be called and builds the outcome; what
the outcome means is ``core.settle``'s business, and doing it is the host's. Order of hooks and signals: Celery's
``trace``. ``execute`` is for hosts that block, ``aexecute``, its twin, for hosts that await.
"""

import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from umbel.app import lines, request, signals
from umbel.app.following import Error
from umbel.app.traits import Traits
from umbel.app.trouble import ExceptionInfo, one_line, short_traceback, text_of
from umbel.core import following, states
from umbel.core.errors import Ignore, Reject, Retry
from umbel.core.message import Headers
from umbel.core.outcome import After, Failure, Ignored, Outcome, Rejected, Retried, Success
from umbel.core.record import Record
from umbel.core.unfolding import cut
from umbel.runtime.clock import Clock
from umbel.wire import exceptions, json, parts, serializers

if TYPE_CHECKING:
    from umbel.app.request import Context

logger = logging.getLogger("umbel.task")
REPLACED = "Replaced by new task"
"""What ``Task.replace`` says as it ends the task, in Celery's words: another one goes on in its place."""
_BIG: set[str] = set()
_second: list[Any] = [0, ""]
"""The second that was written last, and its text: formatting it anew costs every task a microsecond."""


Hook = tuple[str, tuple[Any, ...]]
"""The name of a method of the task, and its arguments."""


class Surroundings(Protocol):
    """What every host knows and does at once."""

    clock: Clock
    nodename: str

    def started(self, record: Record) -> None:
        """Store that the task has started; it need not be visible yet."""


class Host(Surroundings, Protocol):
    """The surroundings of a task that runs on a thread of its own: a lane, or ``apply()``."""

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call user code under its time limits, and a coroutine to its end."""

    def show(self, outcome: Outcome) -> bool:
        """Make the outcome's record visible to others now. False: the task is no longer ours, run no more of it."""


class AsyncHost(Surroundings, Protocol):
    """The surroundings of a task that shares a loop with others."""

    async def acall(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """As ``Host.call``."""

    async def ashow(self, outcome: Outcome) -> bool:
        """As ``Host.show``."""


class Run:
    """The value that passes through the steps."""

    __slots__ = (
        "args",
        "context",
        "einfo",
        "headers",
        "host",
        "kwargs",
        "outcome",
        "retval",
        "since",
        "state",
        "traits",
    )

    def __init__(self, traits: Traits, context: "Context", args: Any, kwargs: Any, host: Surroundings) -> None:
        self.traits = traits
        self.context = context
        # What the context looks up there when asked costs half a microsecond each time.
        self.headers = _NO_HEADERS if context.message is None else context.message.headers
        self.args = args
        self.kwargs = kwargs
        self.host = host
        self.state = states.SUCCESS
        self.retval: Any = None
        self.einfo: ExceptionInfo | None = None
        self.outcome: Outcome
        self.since = host.clock.monotonic()


def execute(traits: Traits, context: "Context", args: Any, kwargs: Any, host: Host) -> Outcome:
    """Run a task to its outcome. Raises nothing that user code can cause."""
    run = Run(traits, context, args, kwargs, host)
    token = request.current.set(context)
    try:
        _opened(run)
        try:
            if traits.before_start:
                host.call(traits.task.before_start, (context.id, args, kwargs), {})
            run.retval = host.call(traits.function, args, kwargs)
            _succeeded(run)
        except BaseException as error:  # noqa: BLE001  SystemExit and the like end the task, not the worker
            _raised(run, error)
        if not _watched(traits, run.state):
            lines.ended(run)
        elif host.show(run.outcome):
            for name, arguments in _hooks(run):
                try:
                    host.call(getattr(traits.task, name), arguments, {})
                except BaseException as error:  # noqa: BLE001  the outcome is stored already and stays as it is
                    _hook_raised(run, name, error)
            lines.ended(run)
        _closed(run)
    except BaseException as error:  # noqa: BLE001  a signal's receiver that calls sys.exit()
        _surroundings_raised(run, error)
    finally:
        request.current.reset(token)
        run.einfo = None
    return run.outcome


async def aexecute(traits: Traits, context: "Context", args: Any, kwargs: Any, host: AsyncHost) -> Outcome:
    """``execute``, line by line, for hosts that await."""
    run = Run(traits, context, args, kwargs, host)
    token = request.current.set(context)
    try:
        _opened(run)
        try:
            if traits.before_start:
                await host.acall(traits.task.before_start, (context.id, args, kwargs), {})
            run.retval = await host.acall(traits.function, args, kwargs)
            _succeeded(run)
        except BaseException as error:  # noqa: BLE001  SystemExit and the like end the task, not the worker
            _raised(run, error)
        if not _watched(traits, run.state):
            lines.ended(run)
        elif await host.ashow(run.outcome):
            for name, arguments in _hooks(run):
                try:
                    await host.acall(getattr(traits.task, name), arguments, {})
                except BaseException as error:  # noqa: BLE001  the outcome is stored already and stays as it is
                    _hook_raised(run, name, error)
            lines.ended(run)
        _closed(run)
    except BaseException as error:  # noqa: BLE001  a signal's receiver that calls sys.exit()
        _surroundings_raised(run, error)
    finally:
        request.current.reset(token)
        run.einfo = None
    return run.outcome


def _opened(run: Run) -> None:
    lines.received(run)
    traits, context = run.traits, run.context
    if signals.task_prerun.receivers:
        task = traits.task
        signals.task_prerun.send(sender=task, task_id=context.id, task=task, args=run.args, kwargs=run.kwargs)
    if traits.track_started and traits.policy_for(context.ignore_result).store_result:
        run.host.started(_started(run))


def _closed(run: Run) -> None:
    if signals.task_postrun.receivers:
        task = run.traits.task
        signals.task_postrun.send(
            sender=task,
            task_id=run.context.id,
            task=task,
            args=run.args,
            kwargs=run.kwargs,
            retval=run.retval,
            state=run.state,
        )


def _surroundings_raised(run: Run, error: BaseException) -> None:
    logger.error("Task %s[%s]: its surroundings raised %s", run.traits.name, run.context.id, one_line(error))
    if not hasattr(run, "outcome"):
        _failed(run, error)


def _raised(run: Run, error: BaseException) -> None:
    """What an exception of the task's own code means."""
    if isinstance(error, Retry):
        _retried(run, error)
    elif isinstance(error, Ignore):
        run.state, run.retval = states.IGNORED, error
        run.outcome = Ignored(tuple(run.context.publish))
        if text_of(error) != REPLACED:
            run.outcome.after = _silent_end(run, error)
    elif isinstance(error, Reject):
        run.state, run.retval = states.REJECTED, error
        run.outcome = Rejected(bool(error.requeue), text_of(error.reason or ""), _silent_end(run, error))
    else:
        _failed(run, error)


def _succeeded(run: Run) -> None:
    traits, own = run.traits, run.context.__dict__
    embed, after = own["embed"], None
    stored = traits.policy_for(own.get("ignore_result", run.headers.ignore_result)).store_result
    plain = traits.result_serializer == "json"
    data = json.dumps(run.retval) if plain and (stored or embed.chord) else b""
    if (embed.chain or embed.chord or embed.callbacks) and not run.context.is_eager:
        part = msgspec.Raw(data) if plain or not embed.chord else parts.carried(run.retval, traits.result_serializer)
        after = traits.follower.succeeded(run.context, run.retval, part)
    publish = tuple(own["publish"]) if "publish" in own else ()
    if not stored:
        run.outcome = Success(_UNSTORED, publish, after)
        return
    result: Any = msgspec.Raw(data)
    if not plain:  # encoded here for the first time, because what it raises is the task's failure
        result, data = run.retval, serializers.encode(run.retval, traits.result_serializer)[2]
    if traits.result_max_size and len(data) > traits.result_max_size and traits.name not in _BIG:
        _BIG.add(traits.name)
        logger.warning(
            "Task %s returned %d bytes (result_max_size is %d). Store it elsewhere and return where it is. Said once.",
            traits.name,
            len(data),
            traits.result_max_size,
        )
    run.outcome = Success(_record(run, states.SUCCESS, result), publish, after)


def _retried(run: Run, error: Retry) -> None:
    run.state, run.retval = states.RETRY, error
    cause = error.exc if isinstance(error.exc, BaseException) else error
    run.einfo = ExceptionInfo(error, error.__traceback__)
    text = short_traceback(cause, cause.__traceback__)
    record = _record(run, states.RETRY, exceptions.describe(cause), text)
    run.outcome = Retried(record, tuple(run.context.publish))


def _failed(run: Run, error: BaseException) -> None:
    run.state, run.retval = states.FAILURE, error
    run.einfo = ExceptionInfo(error, error.__traceback__)
    record = _record(run, states.FAILURE, exceptions.describe(error), run.einfo.traceback)
    run.outcome = Failure(record, one_line(error), tuple(run.context.publish))
    run.outcome.after = _end(run, Error(states.FAILURE, error, record.result, record.traceback, record.date_done or ""))


def _silent_end(run: Run, error: BaseException) -> After:
    """What an end means of which no state is stored."""
    when = date_done(run.host.clock)
    return _end(run, Error(states.FAILURE, error, exceptions.describe(error), None, when, silent=True))


def _end(run: Run, error: Error) -> After:
    context = run.context
    if not following.is_followed(context.embed) or context.is_eager:
        return _NOTHING
    return run.traits.follower.failed(context, error)


def _watched(traits: Traits, state: str) -> bool:
    if signals.task_postrun.receivers or (traits.after_return and state in _RETURNED):
        return True
    if state == states.SUCCESS:
        return traits.on_success or bool(signals.task_success.receivers)
    if state == states.FAILURE:
        return traits.on_failure or bool(signals.task_failure.receivers)
    return state == states.RETRY and (traits.on_retry or bool(signals.task_retry.receivers))


def _hooks(run: Run) -> Iterator[Hook]:
    """Hooks to call, and signals in between: after the record is visible, where anybody could look."""
    traits, context, state, einfo = run.traits, run.context, run.state, run.einfo
    task, call = traits.task, (context.id, run.args, run.kwargs)
    if state == states.SUCCESS:
        if traits.on_success:
            yield "on_success", (run.retval, *call)
        if signals.task_success.receivers:
            runtime = run.host.clock.monotonic() - run.since
            signals.task_success.send(sender=task, result=run.retval, runtime=runtime)
    elif state == states.FAILURE:
        if traits.on_failure:
            yield "on_failure", (run.retval, *call, einfo)
        if signals.task_failure.receivers:
            signals.task_failure.send(
                sender=task,
                task_id=context.id,
                exception=run.retval,
                args=run.args,
                kwargs=run.kwargs,
                traceback=run.retval.__traceback__,
                einfo=einfo,
            )
    elif state == states.RETRY:
        if traits.on_retry:
            yield "on_retry", (run.retval.exc, *call, einfo)
        if signals.task_retry.receivers:
            signals.task_retry.send(sender=task, request=context, reason=run.retval, einfo=einfo)
    if state in _RETURNED and traits.after_return:
        yield "after_return", (state, run.retval, *call, None)


def _hook_raised(run: Run, name: str, error: BaseException) -> None:
    told = one_line(error)
    logger.error("Task %s[%s] %s handler raised: %s", run.traits.name, run.context.id, name, told, exc_info=error)


# Records --------------------------------------------------------------------------------------------------------------

_NO_HEADERS = Headers("", "")
_NOTHING = After()
"""Nobody waits for the task."""
_UNSTORED = Record(states.SUCCESS)
_RETURNED = frozenset({states.SUCCESS, states.FAILURE})


def _record(run: Run, state: str, result: Any, text: str | None = None) -> Record:
    headers, children = run.headers, run.context.__dict__.get("children")
    shown = [cut(child.as_tuple()) for child in children] if children else []
    record = Record(state, result, text, shown, date_done(run.host.clock), headers.id)
    if headers.group is not None:
        record.group_id = headers.group
    if headers.parent_id is not None:
        record.parent_id = headers.parent_id
    if run.traits.extended:
        _extend(record, run)
    return record


def _extend(record: Record, run: Run) -> None:
    """What ``result_extended`` adds: how the task was called, and where it ran."""
    message = run.context.message
    record.name, record.worker, record.retries = run.traits.name, run.host.nodename, run.headers.retries
    record.args, record.kwargs = run.args, run.kwargs
    record.queue = None if message is None else message.properties.delivery_info.routing_key


def _started(run: Run) -> Record:
    record = _record(run, states.STARTED, {"pid": os.getpid(), "hostname": run.host.nodename})
    record.date_done = None
    return record


def failure_record(task_id: str, error: BaseException, clock: Clock, *, state: str = states.FAILURE) -> Record:
    """The record of a task that ended without its own code saying so: lost, over its limit, revoked, unreadable."""
    return Record(state, exceptions.describe(error), None, None, date_done(clock), task_id)


def date_done(clock: Clock) -> str:
    """Now, as Celery writes it into a record: ISO 8601 with offset, in UTC."""
    now = clock.now()
    second = int(now)
    known, text = _second
    if second != known:
        text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _second[:] = second, text
    return f"{text}.{int((now - second) * 1e6):06d}+00:00"
