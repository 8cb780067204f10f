"""Saved groups in Redis as Celery keeps them (``result.base.Groups``): ``celery-taskset-meta-<id>``."""

from collections.abc import Callable, Sequence
from typing import Any

from umbel.drivers.redis import Command, Place, explained, is_error
from umbel.result.trouble import reading, storing
from umbel.wire.records import Codec

KEY = "celery-taskset-meta-"

Call = Callable[[Sequence[Command]], list[Any]]


class RedisGroups:
    """See ``result.base.Groups``. The server lets them expire, ``ttl`` seconds after they were saved (0: never)."""

    def __init__(self, place: Place, prefix: str, ttl: int, codec: Codec, call: Call) -> None:
        self._place = place
        self._keys = prefix + KEY
        self._life: tuple[Any, ...] = ("EX", ttl) if ttl else ()
        self._codec = codec
        self._call = call

    def save(self, id: str, shape: Sequence[Any]) -> None:
        """As the port says."""
        data = self._codec.encode_group(shape)
        with storing(()):
            self._ask("SET", self._keys + id, data, *self._life)

    def restore(self, id: str) -> Any:
        """As the port says."""
        with reading(()):
            data = self._ask("GET", self._keys + id)
        return None if data is None else self._codec.decode_group(data)

    def delete(self, id: str) -> None:
        """As the port says."""
        with storing(()):
            self._ask("DEL", self._keys + id)

    def _ask(self, *command: Any) -> Any:
        (reply,) = self._call([command])
        if is_error(reply):
            raise explained(reply, self._place)
        return reply
