"""What ``task.retry()`` and ``autoretry_for`` do: make the message that runs the call again. Publishes nothing.

The message joins the others that leave with the settlement of the running task (``request.publish``), so that the
retry and the acknowledgement are one step.
"""

import functools
import inspect
import random
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from umbel.app import parameters
from umbel.core.backoff import retry_delay
from umbel.core.errors import Ignore, Reject, Retry

if TYPE_CHECKING:
    from umbel.app.request import Context
    from umbel.app.task import Task

DICE = random.SystemRandom()  # forked processes share no state, so their retries spread


def retry(
    task: "Task[..., Any]",
    args: Any,
    kwargs: Any,
    exc: BaseException | None,
    eta: Any,
    countdown: float | None,
    max_retries: int | None,
    options: Mapping[str, Any],
) -> Retry:
    """The ``Retry`` to raise, its message prepared. Raises ``exc`` or ``MaxRetriesExceededError`` over the limit."""
    context = task.request
    if context.called_directly:
        _raise(exc or Retry("Task can be retried"))
    if max_retries is not None:
        context.__dict__["override_max_retries"] = max_retries  # for autoretry, should it catch exc
    limit = task.max_retries if max_retries is None else max_retries
    args, kwargs = _arguments(task, context, args, kwargs)
    if limit is not None and context.retries + 1 > limit:
        if exc is not None:
            _raise(exc)
        text = f"Can't retry {task.name}[{context.id}] args:{args} kwargs:{kwargs}: it has been retried {limit} times"
        raise task.MaxRetriesExceededError(text, task_args=args, task_kwargs=kwargs)
    if not eta and countdown is None:
        countdown = task.default_retry_delay
    call = {**_again(context), "countdown": countdown, "eta": eta, **options}
    again = Retry(exc=exc, when=eta or countdown, is_eager=context.is_eager, sig=(args, kwargs, call))
    if not context.is_eager:
        try:
            message = task.app.client.build(task, tuple(args), kwargs, call, context.embed)
        except Exception as error:
            raise Reject(error, requeue=False) from error
        context.publish.append(message)
    return again


def _again(context: "Context") -> dict[str, Any]:
    """The options of the running call, for the same call again."""
    hard, soft = context.timelimit
    info = context.delivery_info
    options: dict[str, Any] = {
        "task_id": context.id,
        "root_id": context.root_id,
        "parent_id": context.id,
        "retries": context.retries + 1,
        "group_id": context.group,
        "group_index": context.group_index,
        "shadow": context.shadow,
        "expires": context.expires,
        "time_limit": hard,
        "soft_time_limit": soft,
        "headers": {k: v for k, v in (context.headers or {}).items() if not k.startswith("x-death")},
        "reply_to": context.reply_to,
        "origin": context.origin,
        "ignore_result": context.ignore_result,
        "replaced_task_nesting": context.replaced_task_nesting,
        "priority": info.get("priority"),
        **(context.stamps or {} if context.stamped_headers else {}),
        "stamped_headers": context.stamped_headers,
    }
    if context.message is not None:  # what came as a pickle may not fit into anything else
        options["serializer"] = context.message.content_type
        options["compression"] = context.message.headers.compression or None
    if context.queue or info.get("exchange") == "":
        queue = context.queue or info["routing_key"]  # that alone, whatever else its exchange leads to
        options["queue"], options["exchange"], options["routing_key"] = queue, "", queue
    else:
        options["exchange"], options["routing_key"] = info.get("exchange"), info.get("routing_key")
    return options


def _arguments(task: "Task[..., Any]", context: "Context", args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
    """The arguments of the retry: those given, and the call's own where they do not contradict."""
    old_args, old_kwargs = context.args or (), context.kwargs or {}
    if args is None and kwargs is None:
        return old_args, dict(old_kwargs)
    if args is not None and kwargs is not None:
        return args, dict(kwargs)
    try:
        signature = parameters.signature_of(task)
    except (TypeError, ValueError):
        return (old_args if args is None else args), dict(old_kwargs if kwargs is None else kwargs)
    known = list(signature.parameters.values())
    if args is not None:
        taken = {p.name for p in known[: len(args)] if p.kind is p.POSITIONAL_OR_KEYWORD}
        return args, {name: value for name, value in old_kwargs.items() if name not in taken}
    given = dict(kwargs)
    named = list(old_args)
    for place, parameter in enumerate(known[: len(named)]):
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name in given:
            named[place] = given.pop(parameter.name)
    return tuple(named), given


def _raise(error: BaseException) -> None:
    """Raise ``error`` as it is if it is the one being handled, else with that one as its cause."""
    handled = sys.exc_info()[1]
    if handled is None or handled is error:
        raise error
    raise error from handled


# Autoretry ------------------------------------------------------------------------------------------------------------


def wrap(task: "Task[..., Any]") -> None:
    """Have ``task.run`` retried for the exceptions of ``autoretry_for``. Done once, when the task is registered."""
    expected = tuple(task.autoretry_for or ())
    if not expected or hasattr(task, "_orig_run"):
        return
    run = task.run
    passed: tuple[type[BaseException], ...] = (Ignore, Retry, *(task.dont_autoretry_for or ()))

    if inspect.iscoroutinefunction(run):

        @functools.wraps(run)
        async def retried(*args: Any, **kwargs: Any) -> Any:
            try:
                return await run(*args, **kwargs)
            except passed:
                raise
            except expected as exc:
                raise _automatic(task, exc) from exc

    else:

        @functools.wraps(run)
        def retried(*args: Any, **kwargs: Any) -> Any:
            try:
                return run(*args, **kwargs)
            except passed:
                raise
            except expected as exc:
                raise _automatic(task, exc) from exc

    parameters.around(run, retried)
    object.__setattr__(task, "_orig_run", run)
    task.run = retried  # type: ignore[method-assign]


def _automatic(task: "Task[..., Any]", exc: BaseException) -> Retry:
    options = dict(task.retry_kwargs or {})
    context = task.request
    if task.retry_backoff:
        options["countdown"] = retry_delay(
            context.retries,
            factor=int(max(1.0, float(task.retry_backoff))),
            maximum=task.retry_backoff_max,
            jitter=DICE if task.retry_jitter else None,
        )
    limit = getattr(context, "override_max_retries", None)
    if limit is not None:
        options["max_retries"] = limit
    options["throw"] = False
    return task.retry(exc=exc, **options)
