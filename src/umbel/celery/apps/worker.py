"""Celery's ``apps.worker``. A door: it only re-exports."""

from umbel.worker.controller import Worker

__all__ = ["Worker"]
