"""Waits for results on one event loop: one of those who wait looks into the file for all. No task of its own.

When the one who looks has what it waited for, it wakes another, which looks on. So a thousand waits cost one connection
and one look at the file per pause.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence

from umbel.core.errors import OperationalError
from umbel.drivers.sqlite import Database
from umbel.result.shown import Row

PAUSE = (0.001, 0.005)
"""Seconds between looks at the file while waiting, from the first to the longest."""
PER_ID = 2e-5
"""Seconds added to a pause for each task: looking up thousands at every change would starve those who change them."""


class LoopWatch:
    """The waits of one event loop. ``rows`` reads these tasks on a connection; ``is_new`` tells news among them."""

    def __init__(
        self,
        database: Database,
        rows: Callable[[sqlite3.Connection, Sequence[str]], list[Row]],
        is_new: Callable[[Row], bool],
    ) -> None:
        self._clock = database.clock
        self._link = database.link()
        self._rows = rows
        self._is_new = is_new
        self._waiters: dict[_Waiter, None] = {}
        self._looks: _Waiter | None = None
        self._version: tuple[int, int] | None = None
        self._pause = 0.0

    async def wait(self, ids: Sequence[str], timeout: float) -> None:
        """Return when one of these has news, or after ``timeout`` seconds."""
        me = _Waiter(ids, self._clock.monotonic() + timeout)
        self._waiters[me] = None
        self._pause = 0.0
        try:
            self._look_for([me])  # what came since the last read changes nothing any more
            while not me.done:
                if self._looks is None or self._looks is me:
                    self._looks = me
                    await self._clock.sleep(self._next_pause(me))
                    self._look()
                else:
                    await me.gate.wait()
                    me.gate.clear()
        finally:
            del self._waiters[me]
            if self._looks is me or self._looks is None:
                self._hand_over()
            if not self._waiters:
                self._link.close()

    def _hand_over(self) -> None:
        """Wake one who has yet to wait; if it leaves instead, it does the same."""
        self._looks = None
        for other in self._waiters:
            if not other.done:
                other.gate.set()
                return

    def _next_pause(self, me: "_Waiter") -> float:
        added = sum(len(waiter.ids) for waiter in self._waiters) * PER_ID
        least, most = (max(bound, added) for bound in PAUSE)
        self._pause = min(self._pause * 1.2, most) if self._pause else least
        ends = min(waiter.end for waiter in self._waiters)
        return max(0.0, min(self._pause, ends - self._clock.monotonic()))

    def _look(self) -> None:
        """End the waits whose time is over; and if anything changed in the file, those that have news."""
        now = self._clock.monotonic()
        for waiter in self._waiters:
            if waiter.end <= now:
                waiter.finish()
        try:
            version = self._link.version()
        except (sqlite3.Error, OperationalError):
            self._version = None
            self._look_for(list(self._waiters))
            return
        if version != self._version:
            self._look_for([waiter for waiter in self._waiters if not waiter.done])
            self._version = version

    def _look_for(self, waiters: "Sequence[_Waiter]") -> None:
        ids = list(dict.fromkeys(task_id for waiter in waiters for task_id in waiter.ids))
        try:
            found = self._link.look(lambda link: self._rows(link, ids))
        except (sqlite3.Error, OperationalError):
            for waiter in waiters:  # the read that follows says what is wrong
                waiter.finish()
            return
        news = {row[0] for row in found if self._is_new(row)}
        if news:
            for waiter in waiters:
                if not news.isdisjoint(waiter.ids):
                    waiter.finish()


class _Waiter:
    """One wait. ``gate`` opens when it is done, or is to look for all."""

    def __init__(self, ids: Sequence[str], end: float) -> None:
        self.ids = ids
        self.end = end
        self.done = False
        self.gate = asyncio.Event()

    def finish(self) -> None:
        """It need wait no longer."""
        self.done = True
        self.gate.set()
