"""Celery's ``worker.request``: a message that a worker took in, as receivers of ``task_received`` see it."""

from umbel.app.received import Request
from umbel.celery import offered

__all__ = ["Request"]

__getattr__ = offered.names_not_in(__name__)
