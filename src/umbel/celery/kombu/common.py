"""kombu's ``common``. A door: it only re-exports."""

from umbel.celery import offered
from umbel.core.routing import Broadcast

__all__ = ["Broadcast"]

__getattr__ = offered.names_not_in(__name__)
