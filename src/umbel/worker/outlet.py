"""How user code in a lane publishes and stores: through the I/O thread, before the task's own settlement."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from umbel.core.delivery import Outgoing, Receipt
from umbel.core.record import Record
from umbel.worker.io_thread import IoThread
from umbel.worker.lane import Lane

T = TypeVar("T")


class LaneOutlet:
    """The ``Outlet`` of a process. Blocks the calling thread, or suspends the calling coroutine, until it is done."""

    def __init__(self, io: IoThread, lane: Lane) -> None:
        self._io = io
        self._lane = lane

    def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """Publish, within ``deadline`` seconds."""
        return self._wait(self._io.publish(messages, deadline))

    async def apublish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """As ``publish``."""
        return await self._await(self._io.publish(messages, deadline))

    def write(self, records: Sequence[Record]) -> None:
        """Store records: ``update_state``."""
        self._wait(self._io.write(records))

    async def awrite(self, records: Sequence[Record]) -> None:
        """As ``write``."""
        await self._await(self._io.write(records))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        answer, wait = self._lane.waiter()

        def begin() -> None:
            self._io.loop.create_task(work).add_done_callback(answer)

        self._io.loop.call_soon_threadsafe(begin)
        done: asyncio.Task[T] = wait()
        return done.result()

    async def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._io.loop))
