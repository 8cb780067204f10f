"""Hears broadcasts for one worker: keeps its copies of broadcast queues filled while it lives. Runs no task."""

import asyncio
import logging
from collections.abc import Mapping

from umbel.app.application import Umbel
from umbel.broker.base import Broadcasts
from umbel.core.errors import OperationalError
from umbel.core.queues import Queue
from umbel.worker.plan import Plan

logger = logging.getLogger("umbel.worker")
PATIENCE = 5.0
"""Seconds that a worker waits until it hears broadcasts, before it starts without."""
LONGEST_PAUSE = 2.0
LAST_WORDS = 2.0
"""Seconds that deleting the copies may take when the worker ends."""


class Listener:
    """Belongs to one event loop: the supervisor's, or that of a worker without one."""

    def __init__(self, app: Umbel, plan: Plan) -> None:
        queues = app.queues_by_name
        self._copies: Mapping[str, Queue] = {copy: queues[name] for name, copy in plan.copies.items()}
        self._broker = app.broker
        self._clock = app.clock
        self._listening = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; returns when nothing is missed any more, or after a while without success."""
        if not self._copies or not isinstance(self._broker, Broadcasts):
            return
        self._task = asyncio.create_task(self._listen(self._broker))
        try:
            async with asyncio.timeout(PATIENCE):
                await self._listening.wait()
        except TimeoutError:
            logger.warning("This worker does not hear broadcasts yet")

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def leave(self) -> None:
        """Delete the copies. What waits in them is for this worker alone, and it is gone."""
        if self._task is None or not isinstance(self._broker, Broadcasts):
            return
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self._broker.drop(self._copies)
        except (OperationalError, TimeoutError) as error:
            logger.warning("Copies of broadcasts are left behind, and expire: %s", error or "no answer in time")

    async def _listen(self, broker: Broadcasts) -> None:
        pause = 0.1
        while True:
            self._listening.clear()
            try:
                await broker.copy(self._copies, self._listening.set)
            except OperationalError as error:
                if self._listening.is_set():
                    pause = 0.1
                logger.warning("Broadcasts are not heard, trying again in %.1f s: %s", pause, error)
            except Exception:
                logger.exception("Broadcasts are not heard because of an error in Umbel itself")
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
