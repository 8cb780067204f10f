"""What is due next: a heap over the next times of all entries. Pure; a change and a tick cost O(log n)."""

import heapq
from collections.abc import Iterator
from itertools import count

from umbel.core.schedule.catchup import Look, look
from umbel.core.schedule.entry import Entry
from umbel.core.timetable import Mark

_SPARE = 64
"""So many outdated places the heap may have before it is worth looking how many of it are outdated."""


class Agenda:
    """Entries by name with their marks, and when to look at each again. Times are wall seconds.

    An entry that was taken is *busy*: it is not taken again before ``done``.
    """

    def __init__(self, *, grace: float) -> None:
        self.entries: dict[str, Entry] = {}
        self.marks: dict[str, Mark] = {}
        self._grace = grace
        self._heap: list[tuple[float, int, str]] = []
        self._place: dict[str, int] = {}  # of each entry that has one in the heap
        self._busy: set[str] = set()
        self._serials = count()

    def __len__(self) -> int:
        return len(self.entries)

    def put(self, entry: Entry, mark: Mark, now: float) -> None:
        """Add an entry, or change the one of its name."""
        self.entries[entry.name] = entry
        self.marks[entry.name] = mark
        self._plan(entry.name, now)

    def drop(self, name: str) -> None:
        """Forget an entry."""
        for kept in (self.entries, self.marks, self._place):
            kept.pop(name, None)

    def take(self, now: float) -> Iterator[tuple[Entry, Look]]:
        """The entries with ticks to publish now, and the ticks. They are busy until ``done``."""
        while (when := self.next_time()) is not None and when <= now:
            _, _, name = heapq.heappop(self._heap)
            del self._place[name]
            entry = self.entries[name]
            found = look(entry, self.effective(name), now, grace=self._grace)
            if found.ticks:
                self._busy.add(name)
                yield entry, found
            else:
                self._push(name, found.again)

    def done(self, name: str, mark: Mark | None, now: float) -> None:
        """What was taken has been published, up to ``mark``; or nothing was, and it is to be looked at again (None)."""
        self._busy.discard(name)
        if name in self.entries:
            if mark is not None:
                self.marks[name] = mark
            self._plan(name, now)

    def next_time(self) -> float | None:
        """When to take again."""
        while self._heap and self._place.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def effective(self, name: str) -> Mark:
        """From where an entry's ticks are counted: its mark, or when it was made or resumed."""
        mark, since = self.marks[name], self.entries[name].since
        return mark if since is None or since <= mark.last else Mark(since, mark.runs)

    def _plan(self, name: str, now: float) -> None:
        self._place.pop(name, None)
        if name not in self._busy:
            found = look(self.entries[name], self.effective(name), now, grace=self._grace)
            self._push(name, now if found.ticks else found.again)

    def _push(self, name: str, when: float | None) -> None:
        if when is None:
            return
        serial = self._place[name] = next(self._serials)
        heapq.heappush(self._heap, (when, serial, name))
        if len(self._heap) > 2 * len(self._place) + _SPARE:
            self._heap = [place for place in self._heap if self._place.get(place[2]) == place[1]]
            heapq.heapify(self._heap)
