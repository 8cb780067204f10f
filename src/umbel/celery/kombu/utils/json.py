"""kombu's ``utils.json``: JSON as messages carry it, and types of your own in it. A door over ``umbel.wire.json``."""

from typing import Any

from umbel.celery import offered
from umbel.wire import json
from umbel.wire.json import register_type


def dumps(s: Any, **kwargs: Any) -> str:
    """JSON text. Raises ``EncodeError`` for what JSON cannot carry, and ``TypeError`` for options: it has none."""
    if kwargs:
        raise TypeError(f"dumps() has no option {min(kwargs)!r}: messages are written in one way")
    return json.dumps(s).decode()


def loads(s: str | bytes, **kwargs: Any) -> Any:
    """The value of JSON text. Raises ``DecodeError``, a ``ValueError``."""
    if kwargs:
        raise TypeError(f"loads() has no option {min(kwargs)!r}: messages are read in one way")
    return json.loads(s)


__all__ = ["dumps", "loads", "register_type"]

__getattr__ = offered.names_not_in(__name__)
