"""Saved groups inside one process (``result.base.Groups``)."""

from collections.abc import Sequence
from typing import Any

from umbel.drivers.memory import Space
from umbel.runtime.clock import Clock
from umbel.wire.records import Codec


class MemoryGroups:
    """See ``result.base.Groups``."""

    def __init__(self, space: Space, clock: Clock, expires: float | None, codec: Codec) -> None:
        self._space = space
        self._clock = clock
        self._expires = float("inf") if expires is None else expires
        self._codec = codec
        self._kept: dict[str, tuple[float, bytes]] = space.part("groups", dict)

    def save(self, id: str, shape: Sequence[Any]) -> None:
        """As the port says."""
        kept = self._clock.now() + self._expires, self._codec.encode_group(shape)
        with self._space.lock:
            self._kept[id] = kept

    def restore(self, id: str) -> Any:
        """As the port says."""
        with self._space.lock:
            ends, data = self._kept.get(id, (0.0, b""))
        return self._codec.decode_group(data) if ends > self._clock.now() else None

    def delete(self, id: str) -> None:
        """As the port says."""
        with self._space.lock:
            self._kept.pop(id, None)

    def prune(self, now: float, limit: int) -> int:
        """Delete expired groups, and say how many."""
        with self._space.lock:
            past = [id for id, (ends, _) in self._kept.items() if ends <= now][: max(0, limit)]
            for id in past:
                del self._kept[id]
        return len(past)
