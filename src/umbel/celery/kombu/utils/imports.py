"""kombu's ``utils.imports``. A door: it only re-exports."""

from umbel.celery.utils.imports import symbol_by_name

__all__ = ["symbol_by_name"]
