"""Celery's ``worker.consumer.connection``. A door: it only re-exports."""

from umbel.celery.worker.consumer import Connection

__all__ = ["Connection"]
