"""kombu's ``exceptions``. A door: it only re-exports."""

from umbel.core.errors import ContentDisallowed, DecodeError, EncodeError, OperationalError, SerializationError
from umbel.core.errors import UmbelError as KombuError

__all__ = ["ContentDisallowed", "DecodeError", "EncodeError", "KombuError", "OperationalError", "SerializationError"]
