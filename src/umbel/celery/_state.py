"""Celery's ``_state``: which app is current, and the hooks for apps to come. Private, and imported all the same."""

from collections.abc import Callable
from typing import Any

from umbel.app import ambient, request
from umbel.app.application import Umbel
from umbel.celery.app.current import current_app, current_task, get_current_app

__all__ = [
    "connect_on_app_finalize",
    "current_app",
    "current_task",
    "get_current_app",
    "get_current_task",
    "get_current_worker_task",
    "set_default_app",
]


def get_current_task() -> Any:
    """The task that runs here, or None."""
    return get_current_app().current_task


def get_current_worker_task() -> Any:
    """The task that a worker runs here, or None."""
    return get_current_app().current_worker_task


def set_default_app(app: Umbel) -> None:
    """Make it the current app of this process."""
    ambient.set_current(app)


_set_current_app = set_default_app


def connect_on_app_finalize(callback: Callable[[Umbel], Any]) -> Callable[[Umbel], Any]:
    """Have it called with every app when its tasks are complete."""
    ambient.share(callback)
    return callback


class _Requests:
    """Celery's stack of tasks that run here, of which Umbel keeps the innermost one only."""

    @property
    def top(self) -> Any:
        """The task that runs here, or None."""
        return get_current_task() if request.current.get() is not None else None


_task_stack = _Requests()
