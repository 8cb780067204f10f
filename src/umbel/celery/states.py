"""Celery's ``states``: Umbel's own, which bear the same names. A door: it only re-exports."""

from umbel.celery import offered
from umbel.states import *  # noqa: F403  every public name, and only those
from umbel.states import __all__ as __all__

__getattr__ = offered.names_not_in(__name__)
