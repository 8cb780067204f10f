"""The broker's tables and statements, by name. The SQL itself is in ``schema.sql`` and ``statements.sql``."""

from collections.abc import Iterable
from importlib.resources import files

import msgspec

from umbel.core.delivery import Outgoing
from umbel.drivers.sqlite import Insert, Part, statements
from umbel.wire import envelope

PART = Part("broker", 1, (files(__package__) / "schema.sql").read_text("utf-8"))

SQL = statements(__package__, "statements.sql")

PUBLISH = Insert("INSERT INTO outbox (queue, priority, due, head, body) VALUES", "(?, ?, ?, ?, ?)")

_encode = msgspec.json.Encoder().encode


def array(numbers: Iterable[int]) -> str:
    """Numbers as a statement takes many of them: one JSON array."""
    return _encode(list(numbers)).decode()


def array_of_text(texts: Iterable[str]) -> str:
    """The same for texts."""
    return _encode(list(texts)).decode()


Row = tuple[str, int, float | None, bytes, bytes]


def row_of(outgoing: Outgoing) -> Row:
    """The values of ``PUBLISH``. Raises what encoding raises."""
    message = outgoing.message
    head, body = envelope.encode(message)
    priority = message.properties.priority or 0
    return outgoing.queue, min(max(priority, 0), 9), outgoing.due, head, body
