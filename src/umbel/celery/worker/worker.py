"""Celery's ``worker.worker``. A door: it only re-exports."""

from umbel.worker.controller import Worker as WorkController

__all__ = ["WorkController"]
