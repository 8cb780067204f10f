"""Umbel, a distributed task queue. The public door: what an application needs. ``import umbel`` loads no driver."""

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
from umbel.core.routing import Broadcast, Exchange, Queue
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
