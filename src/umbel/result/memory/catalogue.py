"""Which workflows there are, inside one process (``result.base.Catalogue``)."""

from collections.abc import Callable, Sequence

from umbel.core.record import Record
from umbel.drivers.memory import Space
from umbel.runtime.clock import Clock


class MemoryCatalogue:
    """See ``result.base.Catalogue``. ``write`` stores records."""

    def __init__(
        self, space: Space, clock: Clock, expires: float | None, write: Callable[[Sequence[Record]], None]
    ) -> None:
        self._space = space
        self._clock = clock
        self._expires = float("inf") if expires is None else expires
        self._write = write
        self._kept: dict[str, tuple[float, float]] = space.part("catalogue", dict)

    def note_sync(self, key: str, records: Sequence[Record]) -> None:
        """As the port says."""
        now = self._clock.now()
        with self._space.lock:
            self._write(records)
            self._kept[key] = now, now + self._expires

    async def note(self, key: str, records: Sequence[Record]) -> None:
        """As the port says."""
        self.note_sync(key, records)

    async def newest(self, limit: int) -> list[str]:
        """As the port says."""
        now = self._clock.now()
        with self._space.lock:
            found = sorted(((at, key) for key, (at, ends) in self._kept.items() if ends > now), reverse=True)
        return [key for _, key in found[:limit]]

    def prune(self, now: float, limit: int) -> int:
        """Delete what has expired, and say how many."""
        with self._space.lock:
            past = [key for key, (_, ends) in self._kept.items() if ends <= now][: max(0, limit)]
            for key in past:
                del self._kept[key]
        return len(past)
