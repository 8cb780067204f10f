"""The only place that reads time. Everything else is handed a ``Clock``; tests hand in one that they turn."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time as Umbel uses it. Seconds, always."""

    def now(self) -> float:
        """Wall time: seconds since 1970-01-01 UTC. For what is stored or sent."""

    def monotonic(self) -> float:
        """Seconds that never jump, comparable between the processes of one machine. For leases and limits."""

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling coroutine."""

    def pause(self, seconds: float) -> None:
        """Block the calling thread."""


class SystemClock:
    """The machine's own clock."""

    now = staticmethod(time.time)  # noqa: TID251  this module is where time is read
    monotonic = staticmethod(time.monotonic)  # noqa: TID251
    pause = staticmethod(time.sleep)  # noqa: TID251
    sleep = staticmethod(asyncio.sleep)


SYSTEM = SystemClock()
