"""Celery's ``worker.consumer.tasks``. A door: it only re-exports."""

from umbel.celery.worker.consumer import Tasks

__all__ = ["Tasks"]
