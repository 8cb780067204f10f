"""kombu's ``serialization``. A door: it only re-exports."""

from umbel.celery import offered
from umbel.wire.serializers import register, unregister

__all__ = ["register", "unregister"]

__getattr__ = offered.names_not_in(__name__)
