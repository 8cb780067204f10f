"""Celery's ``app.registry``: tasks by name. A door: it only re-exports."""

from umbel.app.registry import Registry as TaskRegistry

__all__ = ["TaskRegistry"]
