"""How user code in a lane publishes and stores: through the I/O thread, before the task's own settlement."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from umbel.core.delivery import Gone, Outgoing, Receipt, Refused, Verdict
from umbel.core.errors import WorkerLostError
from umbel.core.message import Message
from umbel.core.record import Record
from umbel.worker.hand import Finished
from umbel.worker.io_thread import IoThread
from umbel.worker.lane import Lane

T = TypeVar("T")
TAKEN_OVER = "this attempt is over: its message was settled, or taken over by another worker"


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

    @property
    def stopping(self) -> bool:
        """Whether the process was told to stop."""
        return self._io.stopping

    def keep(self, message: Message, record: Record) -> None:
        """Store a record under the claim of ``message``."""
        finished = self._kept(message, record)
        finished.answer, wait = self._lane.waiter()
        self._hand_over(finished)
        _check(wait())

    async def akeep(self, message: Message, record: Record) -> None:
        """As ``keep``."""
        finished, loop = self._kept(message, record), asyncio.get_running_loop()
        answered: asyncio.Future[Verdict] = loop.create_future()

        def settle(verdict: Verdict) -> None:
            if not answered.done():
                answered.set_result(verdict)

        def answer(verdict: Verdict) -> None:
            loop.call_soon_threadsafe(settle, verdict)

        finished.answer = answer
        self._hand_over(finished)
        _check(await answered)

    def _kept(self, message: Message, record: Record) -> Finished:
        for held in self._lane.hand.running():
            if held.delivery.message is message:
                return self._lane.storing(held, record)
        raise WorkerLostError(TAKEN_OVER)

    def _hand_over(self, finished: Finished) -> None:
        self._lane.hand.finished.append(finished)
        self._lane.hand.flush()

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


def _check(verdict: Verdict) -> None:
    if isinstance(verdict, Gone):
        raise WorkerLostError(TAKEN_OVER)
    if isinstance(verdict, Refused):
        raise verdict.error
