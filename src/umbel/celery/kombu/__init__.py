"""kombu's names that users of Celery import: queues, exchanges, connections. The alias makes it ``kombu``."""

from umbel.celery import offered
from umbel.core.queues import Binding as binding
from umbel.core.queues import Exchange, Queue

VERSION = (5, 7, 0)
__version__ = "5.7.0"

__all__ = ["VERSION", "Exchange", "Queue", "__version__", "binding"]

__getattr__ = offered.names_not_in(
    __name__,
    elsewhere={
        "BrokerConnection": "umbel.celery.kombu.connection:Connection",
        "Connection": "umbel.celery.kombu.connection:Connection",
        "Consumer": "umbel.celery.kombu.messaging:Consumer",
        "Message": "umbel.celery.kombu.message:Message",
        "Producer": "umbel.celery.kombu.messaging:Producer",
        "connections": "umbel.celery.kombu.pools:connections",
        "parse_url": "umbel.celery.kombu.utils.url:parse_url",
        "producers": "umbel.celery.kombu.pools:producers",
        "uuid": "umbel.celery.kombu.utils.uuid:uuid",
    },
)
