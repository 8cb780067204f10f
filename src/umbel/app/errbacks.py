"""Errbacks: which are called where the task failed, and which become messages. Calls user code, sends nothing.

Celery's rule: what takes more than the failed task's id is called at once, as ``errback(request, exc, traceback)``;
everything else (one parameter, a bound task, a chain, a task that is not registered here) gets a message with that id.
"""

import inspect
import logging
from collections.abc import Sequence
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any

from umbel.app import coroutine
from umbel.app.parameters import signature_of
from umbel.app.request import Context
from umbel.app.trouble import one_line
from umbel.core.message import Embed
from umbel.core.signature import Signature, kind

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.app.task import Task

logger = logging.getLogger("umbel.task")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Errbacks:
    """Calls errbacks, for one app."""

    def __init__(self, app: "Umbel") -> None:
        self._app = app

    def call(
        self, context: Context, errbacks: Sequence[Signature], error: BaseException, traceback: str | None
    ) -> list[Signature]:
        """Call those that are called here, and return the others. What an errback raises is logged."""
        left = []
        for errback in errbacks:
            task = self._app.tasks.get(str(errback.get("task")))
            if task is None or kind(errback) is not None or not _takes_error(task, errback):
                left.append(errback)
                continue
            try:
                _call(task, errback, (context, error, traceback))
            except BaseException as raised:
                logger.error("Errback %r raised %s", task.name, one_line(raised), exc_info=raised)
        return left


def stand_in(signature: Signature, task_id: str | None, errbacks: Sequence[Signature]) -> Context:
    """A request for errbacks of a task that has never run."""
    root_id = (signature.get("options") or {}).get("root_id")
    return Context(
        None, Embed(errbacks=[dict(one) for one in errbacks]), id=task_id, task=signature.get("task"), root_id=root_id
    )


def _takes_error(task: "Task[..., Any]", errback: Signature) -> bool:
    """Whether it takes more than one argument, beside those that its signature holds."""
    is_plain = isinstance(inspect.getattr_static(type(task), "run", None), staticmethod)  # not bound, not a class's own
    return is_plain and _places_left(task, errback) > 1


def _places_left(task: "Task[..., Any]", errback: Signature) -> float:
    try:
        parameters = signature_of(task).parameters.values()
    except (TypeError, ValueError):
        return 0
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return float("inf")
    places = [parameter.name for parameter in parameters if parameter.kind in _POSITIONAL]
    if errback.get("immutable"):
        return len(places)
    taken = len(errback.get("args") or ()) + sum(name in places for name in errback.get("kwargs") or ())
    return len(places) - taken


def _call(task: "Task[..., Any]", errback: Signature, given: tuple[Any, ...]) -> None:
    args, kwargs = errback.get("args") or (), errback.get("kwargs") or {}
    value = task(*args, **kwargs) if errback.get("immutable") else task(*given, *args, **kwargs)
    if iscoroutine(value):
        coroutine.run(value)
