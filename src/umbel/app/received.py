"""A message that a worker took in, as receivers of ``task_received`` see it. Reads; it settles nothing."""

from typing import TYPE_CHECKING, Any

from umbel.app.request import Context

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.app.task import Task


class Request:
    """A message that was taken in, as receivers of ``task_received`` see it; Celery's names.

    What is not here is looked up in the task's own context.
    """

    def __init__(self, app: "Umbel", task: "Task[..., Any]", context: Context) -> None:
        self.app = app
        self.task = task
        self.type = task.name
        self.name = self.task_name = context.shadow or task.name
        self.task_id = context.id
        self.time_limits = context.timelimit
        self.request_dict = context
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def __repr__(self) -> str:
        return f"<Request: {self.name}[{self.task_id}]>"
