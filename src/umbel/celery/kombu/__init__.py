"""kombu's names that users of Celery import: queues and exchanges. Under the alias, ``kombu`` is this package."""

from umbel.celery import offered
from umbel.core.routing import Exchange, Queue

__all__ = ["Exchange", "Queue"]

__getattr__ = offered.names_not_in(__name__)
