"""Celery's ``utils.dispatch``: the class of signals. A door: it only re-exports."""

from umbel.celery.utils.dispatch.signal import Signal

__all__ = ["Signal"]
