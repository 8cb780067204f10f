"""The board: a small shared memory in which a process shows what it runs. One writes, the supervisor reads.

It outlives its process, so that the supervisor knows what a dead one was running without asking it. One file per
process, mapped by both. A slot that was being written when its process died is *torn*, and counts as started.

``struct`` fills with zeros before it writes, so a reader may see zeros. What is read alone is therefore written through
a view, as one aligned word of the machine; the rest of a slot is guarded by its sequence number.
"""

import mmap
import os
import struct
from itertools import count
from pathlib import Path
from typing import NamedTuple

from umbel.runtime import system

MAGIC = 0x554D_4252
LAYOUT = 5
_HEADER = struct.Struct("=IIIIdQIIddI")
# magic, layout, width, recalled, beat, last serial, unstarted, stopping, reached, woke, claimed
_SLOT = struct.Struct("=IIQQQddd200s200s")  # behind the sequence: running, pad, generation, serial, highest, since, …
_RECALL_AT, _BEAT_AT, _LAST_AT, _UNSTARTED_AT, _STOPPING_AT = 12, 16, 24, 32, 36
_REACHED_AT, _WOKE_AT, _CLAIMED_AT = 40, 48, 56
_HEADER_SIZE, _SLOT_SIZE, _EARLY_SIZE = 128, 512, 8


class Slot(NamedTuple):
    """What one slot of a lane does. Times are monotonic seconds; a ``hard`` limit of 0 is none.

    ``highest`` is the highest serial that ever started here: all that the process holds above it has not started.
    """

    torn: bool
    running: bool
    generation: int
    serial: int
    highest: int
    since: float
    soft: float
    hard: float
    name: str
    id: str


class Board:
    """The mapped file. The methods of a writer and of a reader are kept apart below."""

    def __init__(self, path: Path, *, create_width: int | None = None) -> None:
        self.path = path
        if create_width is not None:
            size = _HEADER_SIZE + create_width * (_SLOT_SIZE + 2 * _EARLY_SIZE)
            path.write_bytes(bytes(size))
        fd = os.open(path, os.O_RDWR | system.CLOEXEC)
        try:
            self._map = mmap.mmap(fd, 0)
        finally:
            os.close(fd)
        if create_width is not None:
            _HEADER.pack_into(self._map, 0, MAGIC, LAYOUT, create_width, 0, 0.0, 0, 0, 0, 0.0, 0.0, 0)
        magic, layout, self.width, *_ = _HEADER.unpack_from(self._map, 0)
        if (magic, layout) != (MAGIC, LAYOUT):
            raise ValueError(f"{path} is not a board of this version of Umbel")
        whole = memoryview(self._map)
        self._words, self._longs, self._times = whole.cast("I"), whole.cast("Q"), whole.cast("d")
        self._views = (self._words, self._longs, self._times, whole)
        self._sequences = [0] * self.width
        self._highest = 0
        self._early_at = (_HEADER_SIZE + self.width * _SLOT_SIZE) >> 3
        self._earlier = count()

    def close(self) -> None:
        """Unmap; the file stays."""
        for view in self._views:
            view.release()
        self._map.close()

    # The process writes ----------------------------------------------------------------------------------------------

    def start(
        self, slot: int, generation: int, serial: int, since: float, soft: float, hard: float, name: bytes, id: bytes
    ) -> None:
        """The lane is about to run this. The odd sequence number says that the slot is being written."""
        at = _HEADER_SIZE + slot * _SLOT_SIZE
        sequence = self._sequences[slot] + 2
        self._sequences[slot] = sequence
        if serial > self._highest:
            self._highest = serial
        self._longs[at >> 3] = sequence - 1
        _SLOT.pack_into(self._map, at + 8, 1, 0, generation, serial, self._highest, since, soft, hard, name, id)
        self._longs[at >> 3] = sequence

    def early(self, serial: int) -> None:
        """One that may never run again has run, and its slot is about to be freed. The last two for each slot are kept:
        no more can have ended and be unsettled, because what begins next is marked in one step with what settles them.
        """
        self._longs[self._early_at + next(self._earlier) % (2 * self.width)] = serial

    def end(self, slot: int) -> None:
        """The lane has handed over the outcome. (The sequence stays even: this write is a single word's.)"""
        self._words[(_HEADER_SIZE + slot * _SLOT_SIZE + 8) >> 2] = 0

    def beat(self, now: float) -> None:
        """The I/O thread is alive."""
        self._times[_BEAT_AT >> 3] = now

    def woke(self, now: float) -> None:
        """The I/O thread runs again, after something has let it not."""
        self._times[_WOKE_AT >> 3] = now

    def reached(self, now: float) -> None:
        """The broker has answered: a claim, a settlement or a wait has succeeded."""
        self._times[_REACHED_AT >> 3] = now

    def holds(self, last: int, unstarted: int, claimed: int) -> None:
        """The highest serial that the process holds, how many messages it has not started, and how many it holds."""
        self._longs[_LAST_AT >> 3] = last
        self._words[_UNSTARTED_AT >> 2] = unstarted
        self._words[_CLAIMED_AT >> 2] = claimed

    def stopping(self) -> None:
        """The process was told to stop: what it does not finish does not count against a message."""
        self._words[_STOPPING_AT >> 2] = 1

    def recalled(self) -> bool:
        """Whether the supervisor takes back what is unstarted: start nothing until the I/O thread has given it back."""
        return self._words[_RECALL_AT >> 2] != 0

    # The supervisor writes one word ----------------------------------------------------------------------------------

    def recall(self, on: bool) -> None:
        """Raise or lower the flag that ``recalled`` reads."""
        self._words[_RECALL_AT >> 2] = int(on)

    # The supervisor reads --------------------------------------------------------------------------------------------

    def last_beat(self) -> float:
        """When the I/O thread last showed itself; monotonic seconds, 0 before the first time."""
        return self._times[_BEAT_AT >> 3]

    def last_reached(self) -> float:
        """When the broker last answered the process; monotonic seconds, 0 before the first time."""
        return self._times[_REACHED_AT >> 3]

    def last_woke(self) -> float:
        """Since when the I/O thread has run without a gap; monotonic seconds, 0 before it starts."""
        return self._times[_WOKE_AT >> 3]

    def held(self) -> tuple[int, int]:
        """The highest serial that the process holds, and how many messages it has not started."""
        return self._longs[_LAST_AT >> 3], self._words[_UNSTARTED_AT >> 2]

    def only_runs(self) -> bool:
        """Whether the process was told to stop, and holds nothing any more but what runs: all that ended is settled."""
        running = sum(slot.running for slot in self.slots())
        return self.is_stopping() and self._words[_CLAIMED_AT >> 2] <= running

    def is_stopping(self) -> bool:
        """Whether the process had been told to stop."""
        return bool(self._words[_STOPPING_AT >> 2])

    def begun(self) -> frozenset[int]:
        """The serials of the last that ran and may never run again: two for each slot."""
        return frozenset(self._longs[self._early_at + i] for i in range(2 * self.width)) - {0}

    def slots(self) -> list[Slot]:
        """All slots, as they are."""
        return [self.slot(i) for i in range(self.width)]

    def slot(self, index: int) -> Slot:
        """One slot, as it is."""
        at = _HEADER_SIZE + index * _SLOT_SIZE
        before = self._longs[at >> 3]
        fields = _SLOT.unpack_from(self._map, at + 8)
        running, _, generation, serial, highest, since, soft, hard, name, id = fields
        return Slot(
            before % 2 == 1 or self._longs[at >> 3] != before,
            running == 1,
            generation,
            serial,
            highest,
            since,
            soft,
            hard,
            name.rstrip(b"\0").decode(errors="replace"),
            id.rstrip(b"\0").decode(errors="replace"),
        )
