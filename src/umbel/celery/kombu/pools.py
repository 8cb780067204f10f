"""kombu's ``pools``: connections and producers by connection. Umbel's brokers pool what they open themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from umbel.celery import offered
from umbel.celery.kombu.connection import Connection
from umbel.celery.kombu.messaging import Producer


class _Pool:
    """Gives out what one connection has."""

    def __init__(self, connection: Connection, kind: Any) -> None:
        self._connection, self._kind = connection, kind

    @contextmanager
    def acquire(self, block: bool = False, timeout: float | None = None) -> Iterator[Any]:
        """One, for a block."""
        yield self._kind(self._connection)


class _Pools:
    """``producers[connection].acquire()``."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __getitem__(self, connection: Connection) -> _Pool:
        return _Pool(connection, self._kind)


connections = _Pools(lambda connection: connection)
producers = _Pools(Producer)


def reset(*args: Any, **kwargs: Any) -> None:
    """Nothing is kept here."""


__all__ = ["connections", "producers", "reset"]

__getattr__ = offered.names_not_in(__name__)
