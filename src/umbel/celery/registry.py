"""Celery's old ``registry``: the tasks of the current app. Looks them up at each use."""

from umbel.app import ambient
from umbel.app.registry import Registry as TaskRegistry
from umbel.celery.app.current import get_current_app

tasks: TaskRegistry = ambient.Proxy(lambda: get_current_app().tasks, "<celery.registry.tasks>")  # type: ignore[assignment]

__all__ = ["TaskRegistry", "tasks"]
