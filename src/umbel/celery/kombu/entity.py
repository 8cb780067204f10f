"""kombu's ``entity``: queues and exchanges. A door: it only re-exports."""

from umbel.celery import offered
from umbel.core.queues import Binding as binding
from umbel.core.queues import Exchange, Queue

__all__ = ["Exchange", "Queue", "binding"]

__getattr__ = offered.names_not_in(__name__)
