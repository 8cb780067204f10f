"""What readers of a store have seen already, so that a wait can tell what is new. Bytes and states only; no I/O."""

from collections import OrderedDict

from umbel.core.record import Record
from umbel.core.states import READY_STATES
from umbel.wire.records import JSON, Codec

Row = tuple[str, str, bytes]
"""Task id, status, and the encoded record."""


class Shown:
    """What readers last saw of tasks that were not at their end, so that a wait can tell what is new.

    Bounded: of more than ``limit`` tasks those seen longest ago are forgotten, and a wait for them ends at once.
    """

    def __init__(self, codec: Codec = JSON, limit: int = 100_000) -> None:
        self._codec = codec
        self._limit = limit
        self._seen: OrderedDict[str, int] = OrderedDict()  # hashes, because records may be large

    def show(self, rows: list[Row]) -> dict[str, Record]:
        """The records of these rows."""
        for row in rows:
            self.note(*row)
        return {task_id: self._codec.decode(data) for task_id, _, data in rows}

    def note(self, task_id: str, status: str, data: bytes) -> None:
        """Somebody sees this now."""
        if status not in READY_STATES:
            self._seen.pop(task_id, None)
            self._seen[task_id] = hash(data)
            if len(self._seen) > self._limit:
                self._seen.popitem(last=False)
        elif self._seen:
            self._seen.pop(task_id, None)

    def is_new(self, row: Row) -> bool:
        """Whether nobody saw it yet, or it is a task's end: that is never kept here, and no wait goes on beyond it."""
        task_id, _, data = row
        return self._seen.get(task_id) != hash(data)
