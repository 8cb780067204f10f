"""What of a task does not change between two of its calls, looked up once. Pure data once made."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from umbel.app.following import Follower
from umbel.app.tracing import SEAM
from umbel.core.settle import Policy

if TYPE_CHECKING:
    from umbel.app.task import Task


class Traits:
    """What does not change between two calls of a task, looked up once."""

    def __init__(self, task: "Task[Any, Any]") -> None:
        app = task.app
        self.task = task
        self.name = task.name
        self.function = function_of(task)
        self.traced = SEAM.traced
        """Runs the task in the stead of ``execution.execute``, if anything does."""
        self.before_start = _overridden(task, "before_start")
        self.on_success = _overridden(task, "on_success")
        self.on_failure = _overridden(task, "on_failure")
        self.on_retry = _overridden(task, "on_retry")
        self.after_return = _overridden(task, "after_return")
        self.track_started = bool(task.track_started)
        self.throws = tuple(task.throws or ())
        self.result_serializer: str = app.conf.result_serializer
        self.result_max_size: int | None = app.conf.result_max_size
        self.extended: bool = app.conf.result_extended
        self.soft_time_limit: float | None = task.soft_time_limit or app.conf.task_soft_time_limit
        self.time_limit: float | None = task.time_limit or app.conf.task_time_limit
        self.acks_late = bool(task.acks_late)
        stored, errors = app.store is not None, bool(task.store_errors_even_if_ignored)
        self.storing = msgspec.structs.replace(policy_of(task), store_result=stored, store_errors=stored)
        self.ignoring = msgspec.structs.replace(self.storing, store_result=False, store_errors=stored and errors)
        self.policy = self.ignoring if task.ignore_result else self.storing
        self.board_name = self.name.encode()[:200]
        self.follower = Follower(app)

    def policy_for(self, ignore_result: bool | None) -> Policy:
        """The policy of one call, which may say itself whether it wants its result. None: as the task has it."""
        if ignore_result is None:
            return self.policy
        return self.ignoring if ignore_result else self.storing


def function_of(task: "Task[Any, Any]") -> Callable[..., Any]:
    """What is called to run it."""
    return task if _overridden(task, "__call__") else task.run


def _overridden(task: "Task[Any, Any]", method: str) -> bool:
    """Whether a subclass of ``Task`` has its own. A hook that does nothing shall cost nothing."""
    return bool(getattr(type(task), method).__module__ != "umbel.app.task")


def policy_of(task: "Task[Any, Any]") -> Policy:
    """A task's options and the settings as ``core.settle`` wants them."""
    conf = task.app.conf
    either = bool(task.acks_on_failure_or_timeout)
    on_failure, on_timeout = task.acks_on_failure, task.acks_on_timeout
    return Policy(
        acks_late=bool(task.acks_late),
        acks_on_failure=either if on_failure is None else bool(on_failure),
        acks_on_timeout=either if on_timeout is None else bool(on_timeout),
        reject_on_worker_lost=bool(task.reject_on_worker_lost),
        max_deliveries=conf.task_max_deliveries,
        keep_failed=bool(conf.task_keep_failed),
        unknown_grace=conf.task_unknown_grace,
    )
