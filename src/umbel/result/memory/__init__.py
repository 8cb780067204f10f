"""Results inside one process. SUCCESS is never overwritten."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from umbel.core.record import Record
from umbel.core.states import SUCCESS
from umbel.drivers.memory import Space, Write, space
from umbel.drivers.options import Options
from umbel.result.base import Life
from umbel.result.memory.catalogue import MemoryCatalogue
from umbel.result.memory.groups import MemoryGroups
from umbel.result.memory.joins import MemoryJoins
from umbel.result.shown import Row, Shown
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire.records import JSON, Codec

_Kept = tuple[str, float | None, bytes]
"""Status, wall time of its end, and the encoded record."""


class MemoryStore:
    """See ``result.base.Store``. ``memory://`` is one for the whole process, ``memory://NAME`` another."""

    def __init__(
        self,
        url: str,
        *,
        expires: float | None,
        failure_expires: float | None = None,
        codec: Codec = JSON,
        clock: Clock = SYSTEM,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        Options(url, options or {}, ())
        self.url = url
        self.expires = expires
        self.codec = codec
        self._life = Life(expires, failure_expires)
        self.space: Space = space(url)
        self.clock = clock
        self._kept: dict[str, _Kept] = self.space.part("store", dict)
        self.joins = MemoryJoins(self.space, clock, expires)
        self.groups = MemoryGroups(self.space, clock, expires, codec)
        self.catalogue = MemoryCatalogue(self.space, clock, expires, self.write_now)
        self._shown = Shown(codec)
        self._sync = MemorySyncStore(self)

    @property
    def sync(self) -> "MemorySyncStore":
        """As the port says."""
        return self._sync

    def compile(self, record: Record) -> Write:
        """As the port says. The record lives ``expires`` seconds from now."""
        ends = self._life.end(record, self.clock.now())
        return Write(partial(self._put, record.task_id, (record.status, ends, self.codec.encode(record))))

    def write_now(self, records: Sequence[Record]) -> None:
        """What both sides do to write."""
        writes = [self.compile(record) for record in records]
        with self.space.lock:
            for write in writes:
                write.perform()

    def read_now(self, ids: Sequence[str]) -> dict[str, Record]:
        """What both sides do to read."""
        return self._shown.show(self._rows(ids))

    def forget_now(self, ids: Sequence[str]) -> None:
        """What both sides do to delete."""
        with self.space.lock:
            for task_id in ids:
                self._kept.pop(task_id, None)

    def news(self, ids: Sequence[str], timeout: float) -> Callable[[], float | None]:
        """Asks whether a wait is over (None), or how long it may last yet."""
        end = self.clock.monotonic() + timeout

        def ready() -> float | None:
            left = end - self.clock.monotonic()
            return None if left <= 0 or any(map(self._shown.is_new, self._rows(ids))) else left

        return ready

    async def write(self, records: Sequence[Record]) -> None:
        """As the port says."""
        self.write_now(records)

    async def read(self, ids: Sequence[str], timeout: float | None = None, *, sure: bool = False) -> dict[str, Record]:
        """As the port says."""
        return self.read_now(ids)

    async def wait(self, ids: Sequence[str], timeout: float) -> None:
        """As the port says."""
        await self.space.wait(self.news(ids, timeout), self.clock)

    async def forget(self, ids: Sequence[str]) -> None:
        """As the port says."""
        self.forget_now(ids)

    async def prune(self, limit: int = 1000) -> int:
        """As the port says."""
        now = self.clock.now()
        with self.space.lock:
            past = [task_id for task_id, (_, ends, _) in self._kept.items() if ends is not None and ends <= now]
            for task_id in past[:limit]:
                del self._kept[task_id]
        count = len(past[:limit])
        count += self.joins.prune(now, limit - count)
        count += self.groups.prune(now, limit - count)
        return count + self.catalogue.prune(now, limit - count)

    async def close(self) -> None:
        """Nothing is held; the results stay."""

    def _put(self, task_id: str, kept: _Kept) -> Callable[[], None]:
        before = self._kept.get(task_id)
        if before is not None and before[0] == SUCCESS:
            return lambda: None
        self._kept[task_id] = kept
        self.space.changed()
        return partial(self._put_back, task_id, before)

    def _put_back(self, task_id: str, before: _Kept | None) -> None:
        if before is None:
            del self._kept[task_id]
        else:
            self._kept[task_id] = before

    def _rows(self, ids: Sequence[str]) -> list[Row]:
        now = self.clock.now()
        with self.space.lock:
            found = [(task_id, self._kept[task_id]) for task_id in dict.fromkeys(ids) if task_id in self._kept]
        return [(task_id, status, data) for task_id, (status, ends, data) in found if ends is None or ends > now]


class MemorySyncStore:
    """See ``result.base.SyncStore``."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def write(self, records: Sequence[Record]) -> None:
        """As the port says."""
        self._store.write_now(records)

    def read(self, ids: Sequence[str], timeout: float | None = None, *, sure: bool = False) -> dict[str, Record]:
        """As the port says."""
        return self._store.read_now(ids)

    def wait(self, ids: Sequence[str], timeout: float) -> None:
        """As the port says."""
        self._store.space.block(self._store.news(ids, timeout), self._store.clock)

    def forget(self, ids: Sequence[str]) -> None:
        """As the port says."""
        self._store.forget_now(ids)

    def close(self) -> None:
        """Nothing is held; the results stay."""
