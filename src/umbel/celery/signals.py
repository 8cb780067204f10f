"""Celery's ``signals``: Umbel's own, which bear the same names. A door: it only re-exports."""

from umbel.signals import *  # noqa: F403  every public name, and only those
from umbel.signals import __all__ as __all__
