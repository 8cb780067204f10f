"""kombu's ``exceptions``: Umbel's errors. Where kombu tells kinds of connections apart, Umbel has one error."""

from umbel.celery import offered
from umbel.core.errors import (
    ContentDisallowed,
    DecodeError,
    EncodeError,
    OperationalError,
    SerializationError,
    TimeoutError,
)
from umbel.core.errors import ImproperlyConfigured as SerializerNotInstalled
from umbel.core.errors import UmbelError as KombuError

ConnectionError = OperationalError

__all__ = [
    "ConnectionError",
    "ContentDisallowed",
    "DecodeError",
    "EncodeError",
    "KombuError",
    "OperationalError",
    "SerializationError",
    "SerializerNotInstalled",
    "TimeoutError",
]

__getattr__ = offered.names_not_in(
    __name__, elsewhere={"MessageStateError": "umbel.celery.kombu.message:MessageStateError"}
)
