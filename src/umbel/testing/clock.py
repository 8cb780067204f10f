"""A clock that a test turns. Whoever sleeps on it sleeps until the test advances it; nothing waits in real time."""

import asyncio
import heapq
from itertools import count


class FakeClock:
    """See ``runtime.clock.Clock``. Wall time begins at ``now``, monotonic time at 0."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._start = now
        self._passed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> float:
        """Wall time in seconds."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._passed

    async def sleep(self, seconds: float) -> None:
        """Suspend until the clock was advanced by ``seconds``; 0 only lets others run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + seconds, next(self._order), future))
        await future

    def pause(self, seconds: float) -> None:
        """Advance by ``seconds``: a thread that blocks on this clock is the one that moves it."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once. Sleepers whose time came go on when their event loop next runs."""
        self._passed += seconds
        while self._sleepers and self._sleepers[0][0] <= self._passed:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done() and not future.get_loop().is_closed():
                future.get_loop().call_soon_threadsafe(_finish, future)

    @property
    def sleeping(self) -> int:
        """How many coroutines sleep on this clock: what a test waits for before it advances."""
        return sum(not future.done() for _, _, future in self._sleepers)


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
