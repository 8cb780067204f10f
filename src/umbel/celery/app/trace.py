"""Celery's ``app.trace``: how a task is run, and the place to stand around it. Runs nothing that Umbel does not run.

``build_tracer(name, task, ...)`` returns what runs a task: ``tracer(id, args, kwargs, request)``. What takes its place
here is called for each task, on the lane, before the task runs for the first time in a process; the tracer that it
returns then runs every call, and comes to the original's, which goes through Umbel's own execution. Under
``--pool asyncio`` many calls share a thread, so that a tracer cannot stand around one: there it is built (it may wrap
``task.run``), and not called, which the log says once.
"""

import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

from umbel.app import lines, tracing
from umbel.app.execution import execute
from umbel.app.request import Context
from umbel.app.task import Task
from umbel.app.traits import Traits, function_of
from umbel.celery import offered
from umbel.celery.utils.saferepr import saferepr
from umbel.core import states
from umbel.core.outcome import Outcome

logger = logging.getLogger("umbel.task")
Tracer = Callable[..., Any]


class trace_ok_t(NamedTuple):
    """What a tracer returns: the value, what went wrong (None: nothing), seconds, and the value as text."""

    retval: Any
    info: Any
    runtime: float
    retstr: str | None


class TraceInfo:
    """How a call ended that did not succeed: its ``state``, and what was raised (``retval``)."""

    __slots__ = ("retval", "state")

    def __init__(self, state: str, retval: Any = None) -> None:
        self.state = state
        self.retval = retval


class _Listening:
    """The host of an execution, with an ear for what the task's body gives. ``refused``: raised in its stead."""

    def __init__(self, host: Any, traits: Traits, refused: BaseException | None) -> None:
        self._host, self._traits, self._refused = host, traits, refused
        self.clock, self.nodename = host.clock, host.nodename
        self.started, self.show = host.started, host.show
        self.value: Any = None
        self.error: BaseException | None = None

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """As the host does; of the body, remember what came of it."""
        if function is not self._traits.function:
            return self._host.call(function, args, kwargs)
        try:
            if self._refused is not None:
                raise self._refused
            self.value = self._host.call(function, args, kwargs)
        except BaseException as error:
            self.error = error
            raise
        return self.value


class _Work:
    """One call that a worker wants run, until a tracer comes to it."""

    def __init__(self, traits: Traits, context: Context, host: Any) -> None:
        self.traits, self.context, self.host = traits, context, host
        self.outcome: Outcome | None = None

    def run(self, args: Any, kwargs: Any, refused: BaseException | None = None) -> trace_ok_t:
        """Run it as Umbel does."""
        began, host = self.host.clock.monotonic(), _Listening(self.host, self.traits, refused)
        self.outcome = execute(self.traits, self.context, args, kwargs, host)
        seconds = self.host.clock.monotonic() - began
        if host.error is not None:
            return trace_ok_t(host.error, TraceInfo(states.FAILURE, host.error), seconds, None)
        return trace_ok_t(host.value, None, seconds, saferepr(host.value, self.traits.task.resultrepr_maxsize))


_work: ContextVar[_Work | None] = ContextVar("umbel_celery_work", default=None)


def build_tracer(name: str, task: Task[..., Any], *args: Any, **kwargs: Any) -> Tracer:
    """What runs ``task``. To stand around every task, replace this function in its module."""

    def trace_task(uuid: str, args: Any, kwargs: Any, request: Any = None) -> trace_ok_t:
        work = _work.get()
        if work is None or work.outcome is not None or work.traits.name != name:
            raise RuntimeError(f"a tracer runs the call of {name} that a worker gives it, once: use task.apply()")
        return work.run(args, kwargs)

    return trace_task


def task_has_custom(task: Any, attr: str) -> bool:
    """Whether the class of a task has its own ``attr``, which ``Task`` has not."""
    for kind in type(task).__mro__:
        if kind in (Task, object):
            return False
        if attr in vars(kind):
            return getattr(vars(kind)[attr], "__module__", None) != Task.__module__
    return False


# In place of execution.execute ----------------------------------------------------------------------------------------

_own_build_tracer = build_tracer
_said: set[str] = set()


def _built(traits: Traits, nodename: str) -> Tracer | None:
    """The tracer of a task, built anew; None where it is Umbel's own."""
    if build_tracer is _own_build_tracer:
        return None
    task = traits.task
    tracer: Tracer = build_tracer(traits.name, task, getattr(task.app, "loader", None), nodename, app=task.app)
    traits.function = function_of(task)  # which building may have wrapped
    return tracer


def _first(traits: Traits, context: Context, args: Any, kwargs: Any, host: Any) -> Outcome:
    """The first call of a task here: see who runs it from now on."""
    tracer = _built(traits, host.nodename)
    traits.traced = None if tracer is None else partial(_through, tracer)
    found: Outcome = (traits.traced or execute)(traits, context, args, kwargs, host)
    return found


def _through(tracer: Tracer, traits: Traits, context: Context, args: Any, kwargs: Any, host: Any) -> Outcome:
    """Have a tracer run it. What the tracer itself raises is the task's failure, unless the task has ended by then."""
    work = _Work(traits, context, host)
    token = _work.set(work)
    failed: BaseException = RuntimeError(f"the tracer of {traits.name} returned and did not run the task")
    try:
        tracer(context.id, args, kwargs, context)
    except BaseException as error:
        failed = error
        if work.outcome is not None:
            logger.exception("Task %s[%s]: what traces it raised after its end", traits.name, context.id)
    finally:
        _work.reset(token)
    if work.outcome is None:
        work.run(args, kwargs, failed)
    assert work.outcome is not None
    return work.outcome


def _unable(traits: Traits, nodename: str) -> None:
    """Where calls share a thread: build, and say that it is all."""
    traits.traced = None
    if _built(traits, nodename) is not None and "unable" not in _said:
        _said.add("unable")
        logger.warning("--pool asyncio: what replaced celery.app.trace.build_tracer stands around no call. Said once.")


tracing.SEAM.traced, tracing.SEAM.unable = _first, _unable


class _Module(ModuleType):
    """This module: the texts of log lines are ``app.lines``'s, also when they are replaced here."""

    def __getattribute__(self, name: str) -> Any:
        return getattr(lines, name) if name.startswith("LOG_") else super().__getattribute__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("LOG_"):
            setattr(lines, name, value)
        else:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Module

__all__ = ["TraceInfo", "build_tracer", "task_has_custom", "trace_ok_t"]

__getattr__ = offered.names_not_in(__name__)
