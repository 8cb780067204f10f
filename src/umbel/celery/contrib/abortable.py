"""Celery's ``contrib.abortable``: tasks that look now and then whether they are still wanted."""

from typing import Any

from umbel.app.results import AsyncResult
from umbel.app.task import Task
from umbel.core.record import Record

ABORTED = "ABORTED"


class AbortableAsyncResult(AsyncResult[Any]):
    """The handle on a call that can be aborted."""

    def is_aborted(self) -> bool:
        """Whether it was."""
        return self.state == ABORTED

    def abort(self) -> None:
        """Store that it is not wanted any more. The task has to look; if it succeeds all the same, that is stored."""
        self.backend.sync.write([Record(ABORTED, task_id=self.id)])


class AbortableTask(Task[Any, Any]):
    """A task that asks ``self.is_aborted()`` now and then, and returns if so. It needs a result store."""

    abstract = True

    def AsyncResult(self, task_id: str) -> AbortableAsyncResult:
        """The handle on the call with this id."""
        return AbortableAsyncResult(task_id, task_name=self.name, app=self.app)

    def apply_async(self, *args: Any, **kwargs: Any) -> AbortableAsyncResult:
        """Call it, and return a handle that can abort the call."""
        return self.AsyncResult(super().apply_async(*args, **kwargs).id)

    def is_aborted(self, **kwargs: Any) -> bool:
        """Whether this call (or that of ``task_id``) was aborted. It reads the store."""
        return self.AsyncResult(str(kwargs.get("task_id") or self.request.id)).is_aborted()


__all__ = ["AbortableAsyncResult", "AbortableTask"]
