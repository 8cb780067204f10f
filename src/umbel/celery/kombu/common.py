"""kombu's ``common``: broadcast queues, and what makes a queue known. A door: it only re-exports."""

from umbel.celery import offered
from umbel.core.queues import Broadcast

__all__ = ["Broadcast"]

__getattr__ = offered.names_not_in(
    __name__,
    elsewhere={
        "maybe_declare": "umbel.celery.kombu.messaging:maybe_declare",
        "uuid": "umbel.celery.kombu.utils.uuid:uuid",
    },
)
