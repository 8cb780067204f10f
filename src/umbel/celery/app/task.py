"""Celery's ``app.task``: the base of tasks, and the context of one call. A door: it only re-exports."""

from umbel.app.request import Context
from umbel.app.task import Task

__all__ = ["Context", "Task"]
