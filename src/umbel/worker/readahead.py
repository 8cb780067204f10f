"""How much unstarted work a process may hold: as much as it expects to finish soon. Pure arithmetic.

Both threads use it: the lane adds what tasks took, the I/O thread asks how many to claim. All writes are single
assignments, so neither needs a lock.
"""

AHEAD = 0.020
"""Seconds of unstarted work that a process may hold."""
BUSY = 0.100
"""Seconds after which a lane that runs one task gives back what it has not started."""
MOST = 256
"""Messages that one claim may take."""
MOST_HELD = 1024
"""Messages that a process may hold, however quick they are."""
QUICK = 0.002
"""Seconds below which a task is settled together with its neighbours."""
MINUTE = 0.0005
"""Seconds below which enough tasks end during one exchange for the next one not to wait."""
_WEIGHT = 0.2


class ReadAhead:
    """Moving averages of run times, per task name and over all.

    ``cap``: the explicit prefetch limit, None is none; with 0, a message is claimed for a free place only. ``width``:
    how many tasks run at once.
    """

    def __init__(self, cap: int | None, width: int = 1) -> None:
        self.cap = cap
        self.width = width
        self._by_name: dict[str, float] = {}
        self._overall: float | None = None
        self._starves: set[str] = set()

    def ran(self, name: str, seconds: float) -> None:
        """A task of this name took so long."""
        known = self._by_name.get(name)
        self._by_name[name] = seconds if known is None else known + _WEIGHT * (seconds - known)
        overall = self._overall
        self._overall = seconds if overall is None else overall + _WEIGHT * (seconds - overall)

    def starved(self, name: str) -> None:
        """While a task of this name ran, the I/O thread could not: nothing is held beside it from now on."""
        self._starves.add(name)

    def starves(self, name: str) -> bool:
        """Whether tasks of this name were seen to starve the I/O thread."""
        return name in self._starves

    def may_starve(self, name: str) -> bool:
        """Whether tasks of this name have starved the I/O thread, or are not known and might.

        A lane of several places knows neither: it cannot tell which task is to blame.
        """
        return self.width == 1 and (name not in self._by_name or name in self._starves)

    def gathers(self, name: str) -> bool:
        """Whether outcomes of this name should gather: too few end during one exchange to fill the next."""
        return MINUTE <= self._by_name.get(name, 0.0) < QUICK

    def is_quick(self, name: str) -> bool:
        """Whether a task of this name is expected to be over at once. Unknown names are not."""
        known = self._by_name.get(name)
        return known is not None and known < QUICK

    def allowance(self, free: int) -> int:
        """How many unstarted messages to hold now: one for each free place, and what is over soon."""
        average = self._overall
        soon = 0 if average is None else min(MOST_HELD, int(AHEAD * self.width / max(average, 1e-6)))
        most = max(1 if self.width == 1 else free, soon)
        if self.cap is None:
            return most
        return min(most, self.cap * self.width) if self.cap else free

    def room(self, unstarted: int, free: int, busy_for: float) -> int:
        """How many to claim. None while every place has been busy for long, and rather many at once than one by one."""
        allowance = self.allowance(free)
        if busy_for > BUSY or unstarted > max(allowance // 2, min(free, allowance) - 1):
            return 0
        return min(allowance - unstarted, MOST)
