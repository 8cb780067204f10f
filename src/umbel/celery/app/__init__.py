"""Celery's ``app``: the application, and which one is current. A door: it only re-exports."""

from typing import Any

from umbel.app.decorate import shared_task
from umbel.celery import offered
from umbel.celery.app.base import Celery
from umbel.celery.app.current import app_or_default, current_app, current_task

default_app = current_app


def bugreport(app: Any = None) -> str:
    """What to say of an installation when something is wrong."""
    from umbel.celery.app.utils import bugreport as report

    return report(app_or_default(app))


__all__ = ["Celery", "app_or_default", "bugreport", "current_app", "current_task", "default_app", "shared_task"]

__getattr__ = offered.names_not_in(__name__)
