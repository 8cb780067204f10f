"""Umbel, a distributed task queue. The public door: what an application needs. ``import umbel`` loads no driver.

A name's module is loaded when the name is first used: ``umbel health`` asks a worker and has no use for an application.
"""

import typing as _typing
from importlib import import_module as _import_module

if _typing.TYPE_CHECKING:
    from umbel import exceptions, signals, states
    from umbel.app.ambient import current_task
    from umbel.app.application import Umbel
    from umbel.app.canvas import chain, chord, chunks, group
    from umbel.app.decorate import shared_task
    from umbel.app.groups import GroupResult
    from umbel.app.log import get_task_logger
    from umbel.app.results import AsyncResult
    from umbel.app.resultsets import ResultSet
    from umbel.app.signature import Signature, signature
    from umbel.app.stamping import StampingVisitor
    from umbel.app.task import Task
    from umbel.app.waiting import allow_join_result
    from umbel.core.errors import Ignore, Reject, Retry
    from umbel.core.queues import Broadcast, Exchange, Queue
    from umbel.core.schedule import clocked, crontab, schedule, solar
    from umbel_as_celery import install as install_as_celery

__version__ = "0.1.0.dev0"

__all__ = [
    "AsyncResult",
    "Broadcast",
    "Exchange",
    "GroupResult",
    "Ignore",
    "Queue",
    "Reject",
    "ResultSet",
    "Retry",
    "Signature",
    "StampingVisitor",
    "Task",
    "Umbel",
    "__version__",
    "allow_join_result",
    "chain",
    "chord",
    "chunks",
    "clocked",
    "crontab",
    "current_task",
    "exceptions",
    "get_task_logger",
    "group",
    "install_as_celery",
    "schedule",
    "shared_task",
    "signals",
    "signature",
    "solar",
    "states",
]

_HOMES = {
    "umbel.app.ambient": "current_task",
    "umbel.app.application": "Umbel",
    "umbel.app.canvas": "chain chord chunks group",
    "umbel.app.decorate": "shared_task",
    "umbel.app.groups": "GroupResult",
    "umbel.app.log": "get_task_logger",
    "umbel.app.results": "AsyncResult",
    "umbel.app.resultsets": "ResultSet",
    "umbel.app.signature": "Signature signature",
    "umbel.app.stamping": "StampingVisitor",
    "umbel.app.task": "Task",
    "umbel.app.waiting": "allow_join_result",
    "umbel.core.errors": "Ignore Reject Retry",
    "umbel.core.queues": "Broadcast Exchange Queue",
    "umbel.core.schedule": "clocked crontab schedule solar",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> _typing.Any:
    if name in _HOME_OF:
        found = getattr(_import_module(_HOME_OF[name]), name)
    elif name in ("exceptions", "signals", "states"):
        return _import_module(f"umbel.{name}")
    elif name == "install_as_celery":
        found = _import_module("umbel_as_celery").install
    else:
        raise AttributeError(f"module 'umbel' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *(name for name in __all__ if name not in globals())]
