"""Celery's ``app``: the application, and which one is current. A door: it only re-exports."""

from umbel.app.decorate import shared_task
from umbel.celery import offered
from umbel.celery.app.base import Celery
from umbel.celery.app.current import app_or_default, current_app, current_task

__all__ = ["Celery", "app_or_default", "current_app", "current_task", "shared_task"]

__getattr__ = offered.names_not_in(__name__)
