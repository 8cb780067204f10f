"""The I/O thread of a process: an asyncio loop that claims, settles and publishes. Never runs user code.

One turn is one exchange with the broker: settle whatever finished since the last one (group commit), and claim more
in the same round trip. It sleeps only when there is nothing to settle and nothing to claim.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from umbel.app.application import Umbel
from umbel.broker.base import Consumer
from umbel.core.delivery import (
    ConsumerId,
    Outgoing,
    Receipt,
    Revocation,
    Settled,
    Turn,
    Want,
)
from umbel.core.errors import BackendStoreError, OperationalError
from umbel.core.record import Record
from umbel.core.revoking import Marks
from umbel.runtime import system
from umbel.runtime.unpatched import Flag, Loop, start
from umbel.worker.board import Board
from umbel.worker.bodies import Bodies
from umbel.worker.hand import Finished, Hand
from umbel.worker.intake import Intake
from umbel.worker.listener import Listener
from umbel.worker.plan import Plan
from umbel.worker.readahead import ReadAhead
from umbel.worker.verdicts import Verdicts

logger = logging.getLogger("umbel.worker")
LONGEST_PAUSE = 2.0
"""Seconds between two attempts to reach a broker that is away: work goes on within 5 s of its return."""
HEED_AGAIN = 1.0
"""Seconds until marks that could not be read are read again."""
LAST_WORDS = 5.0
"""Seconds that the last settlement may take where there is no supervisor."""
TICK = 0.05
"""Seconds between two looks at a busy lane."""
STARVED = 0.1
"""Seconds that a timer may be late before the running task is blamed for it."""


class IoThread:
    """Owns the loop, the consumer and the producer of one process."""

    def __init__(self, app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead, consumer: ConsumerId) -> None:
        self.app = app
        self.plan = plan
        self.hand = hand
        self.loop: asyncio.AbstractEventLoop
        self.marks = Marks()
        self.on_ready: Callable[[], None] = lambda: None
        self.end_process: Callable[[int], None] = os._exit
        self.beside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
        """What is on this loop as long as it runs, where there is no supervisor to have it."""
        self._clock = app.clock
        self._ahead = ahead
        self._board: Board = hand.board
        self._id = consumer
        self._store = app.store
        self._looping = Flag()
        self._ended = Flag()
        self._orders: deque[Callable[[], None]] = deque()
        self._queues = plan.reads
        self._batch: list[Finished] = []
        self._drained = False
        self._failures = 0
        self._stopping = False
        self._orphaned_until: float | None = None
        self._abandoned: int | None = None
        self._revocations = 0
        self._bodies = Bodies(app, hand)
        self._elsewhere = self._store is not None and not self._bodies.shared
        self._renew_at = 0.0
        self._heeds = False

    # From other threads -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, and return when the loop runs."""
        start(self._main, "umbel-io")
        self._looping.wait()

    def join(self) -> None:
        """Wait for the end."""
        self._ended.wait()

    def stop(self) -> None:
        """Claim no more, hand back what has not started, end after what runs. At any time; safe to repeat."""
        self._tell(self._stop)

    @property
    def stopping(self) -> bool:
        """Whether this process was told to stop."""
        return self._stopping

    def heed_marks(self) -> None:
        """There are marks for many tasks: see whether one is about what runs. At any time; safe to repeat."""
        self._tell(self._begin_heeding)

    def soon(self, function: Callable[[], object]) -> None:
        """Have the loop call this in its next turn. Raises ``RuntimeError`` where it does not run."""
        if not self._looping.is_set():
            raise RuntimeError("the loop does not run yet")
        self.loop.call_soon_threadsafe(function)

    def abandon(self, status: int) -> None:
        """Settle what has ended, hand back all else, what runs too, and end. Where no supervisor does it."""
        self._tell(lambda: self._abandon(status))

    def orphaned(self) -> None:
        """The supervisor is gone: stop, and leave in time, whatever runs. At any time; safe to repeat."""
        self._tell(self._orphan)

    def _tell(self, order: Callable[[], None]) -> None:
        """Have it obeyed, also when the loop does not run yet or no longer."""
        self._orders.append(order)
        if self._looping.is_set():
            try:
                self.loop.call_soon_threadsafe(self._obey)
            except RuntimeError:
                pass  # it has ended meanwhile

    def _obey(self) -> None:
        while self._orders:
            self._orders.popleft()()

    async def publish(self, messages: Sequence[Outgoing], deadline: float) -> list[Receipt]:
        """Publish for the lane. On this loop."""
        return await self._producer.publish(messages, deadline=deadline)

    async def write(self, records: Sequence[Record]) -> None:
        """Write to the store for the lane. On this loop."""
        if self._store is not None:
            await self._store.write(records)

    def _wake_up(self) -> None:
        self.loop.call_soon_threadsafe(self._wake.set)

    # The thread -------------------------------------------------------------------------------------------------------

    def _main(self) -> None:
        system.block_signals()
        try:
            with asyncio.Runner(loop_factory=Loop) as runner:
                runner.run(self._run())
        except BaseException:
            # Nothing of what this process runs could be settled any more, and a task of an hour would not notice.
            logger.exception("A process ends because of an error in Umbel itself")
            os._exit(1)
        self.hand.finished.extend(self._batch)
        self.hand.close()
        self._ended.set()

    async def _run(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self.hand.wake_io = self._wake_up
        broker = self.app.broker
        self._producer = broker.producer()
        self._consumer: Consumer = broker.consumer(self._id, node=self.plan.nodename, queues=self._queues)
        self._keeper = broker.keeper(self._consumer)
        self._intake = Intake(self.app, self.hand, self._ahead, self._keeper, node=self.plan.nodename)
        self._verdicts = Verdicts(self.app, self._intake, self._bodies)
        self._clocked = broker.features.liveness == "clock"
        self._looping.set()
        self._obey()
        listener = Listener(self.app, self.plan) if self.plan.pool == "solo" else None
        beating = self.loop.create_task(self._beat())
        try:
            async with self.beside():
                await self._connect()
                if listener is not None:
                    await listener.start()
                self.on_ready()
                await self._turns()
                if self._abandoned is not None:
                    await self._end(self._abandoned)
                await self._leave()
        finally:
            beating.cancel()
            if listener is not None:
                await listener.stop()
                await listener.leave()
            await self._producer.close()
            await self._keeper.close()
            if self._store is not None:
                await self._store.close()

    async def _beat(self) -> None:
        """Show that the loop runs, also while an exchange waits long for its turn at the broker."""
        idle = min(1.0, self.plan.lease / 4)
        due = 0.0
        while True:
            now = self._clock.monotonic()
            if now > due + idle:
                self._board.woke(now)
            self._board.beat(now)
            pause = TICK if self.hand.running() else idle
            due = now + pause
            await self._clock.sleep(pause)

    async def _leave(self) -> None:
        try:
            await self._consumer.close()
        except OperationalError as error:
            logger.warning("This process could not take its leave of the broker: %s", error)

    async def _turns(self) -> None:
        while self._abandoned is None:
            self._show()
            if self._heeds:
                await self._heed_marks()
            recalled = self._board.recalled()
            if recalled or self._intake.busy() or (self._stopping and self._intake.unstarted):
                self._intake.hand_back()
            self._intake.stage()
            if self._gathers():
                await self._rest_until(self._clock.monotonic() + TICK)
            self._collect()
            if recalled and not self._batch and self._intake.only_runs():
                self._board.recall(on=False)
                self.hand.open_gate()
            room = 0 if self._stopping or recalled else self._intake.room()
            if self._batch or (room and not self._drained) or self._must_renew():
                await self._turn(room)
            elif self._stopping and not self._intake.tickets:
                return
            else:
                await self._sleep(room)

    def _gathers(self) -> bool:
        """Whether to let outcomes gather: each exchange takes the interpreter from the lane, whose tasks are quick.

        The lane wakes this thread as soon as one has waited long enough, and before anything that is not quick.
        """
        hand = self.hand
        if self._batch or self._intake.out or self._stopping or not hand.finished or self.plan.width > 1:
            return False
        running = hand.places[0].held
        if running is None or running.traits is None or not self._ahead.gathers(running.traits.name):
            return False
        return not self._intake.room() and not self._must_renew() and hand.io_gathers()

    async def _rest_until(self, end: float) -> None:
        self._wake.clear()
        timer = self.loop.call_at(end, self._wake.set)
        await self._wake.wait()
        timer.cancel()
        self.hand.io_rests(False)

    def _must_renew(self) -> bool:
        """Whether only an exchange keeps the lease. Where a lock tells who lives, none is needed."""
        return self._clocked and self._clock.monotonic() > self._renew_at

    def _collect(self) -> None:
        batch, finished, out = self._batch, self.hand.finished, self._intake.out
        while out:
            batch.append(out.popleft())
        while finished:
            batch.append(finished.popleft())

    # One exchange -----------------------------------------------------------------------------------------------------

    async def _turn(self, room: int) -> None:
        batch = self._batch
        try:
            if batch:
                await self._meanwhile(self._write_first(batch))
            sent = self._clock.monotonic()
            turn = await self._consumer.exchange([one.settlement for one in batch], Want(self._queues, room))
        except (OperationalError, BackendStoreError) as error:
            for one in batch:
                one.sent = True
            await self._failed(error)
            return
        self._failures = 0
        if turn.lost:
            await self._lost()
            return
        self._batch = []
        self._renewed(sent)
        self._queues = (*self._queues[1:], self._queues[0])
        tickets = self._intake.tickets
        for one, verdict in zip(batch, turn.verdicts, strict=True):
            if one.last and one.answer is None and type(verdict) is Settled:
                if one.share is None or not self._bodies.see_to(one, verdict):
                    tickets.pop(one.settlement.ticket, None)
            elif (instead := self._verdicts.tell(one, verdict)) is not None:
                self._batch.append(instead)
        try:
            await self._claimed(turn, room)
        except OperationalError as error:
            await self._failed(error)

    async def _failed(self, error: Exception) -> None:
        """The exchange may or may not have happened: open anew, which tells, and repeat it. Slower each time."""
        self._failures += 1
        pause = min(0.05 * 2**self._failures, LONGEST_PAUSE, self.plan.lease / 4)
        logger.warning("Settling and claiming failed, trying again in %.1f s: %s", pause, error)
        if self._failures > 1:
            await self._rest(pause)
        await self._connect()

    async def _rest(self, seconds: float) -> None:
        """Sleep, but go on showing signs of life, and leave when it is time."""
        await self._clock.sleep(seconds)
        self._show()
        self._leave_if_orphaned()

    async def _write_first(self, batch: list[Finished]) -> None:
        """The fixed order of two servers: results, then follow-ups and what becomes of the message."""
        records = [one.record for one in batch if one.record is not None]
        if records and self._store is not None:
            await self._store.write(records)
            for one in batch:
                one.record = None
        await self._bodies.prepare(batch)

    async def _claimed(self, turn: Turn, room: int) -> None:
        if turn.revocations != self._revocations:
            await self._read_marks()
        if room:
            self._drained = len(turn.deliveries) < room
        if turn.deliveries:
            await self._meanwhile(self._intake.sort(turn.deliveries))

    async def _read_marks(self) -> None:
        self._revocations, found = await self._keeper.revoked()
        self.marks = Marks(found)

    async def _heed_marks(self) -> None:
        """Mark by id what runs here and falls under a mark for many: the supervisor knows nothing but ids."""
        self._heeds = False
        try:
            await self._read_marks()
            runs = [held.delivery.message.headers for held in self.hand.running() if held.delivery.message is not None]
            hit = {headers.id: mark for headers in runs if (mark := self.marks.hit(headers)) and mark.terminate}
            if found := [Revocation(id, mark.terminate) for id, mark in hit.items() if self.marks.of(id) is None]:
                await self._keeper.revoke(found, expires=self.app.conf.worker_revoke_expires)
        except OperationalError as error:
            logger.warning("What of the running tasks is revoked cannot be told, trying again: %s", error)
            self.loop.call_later(HEED_AGAIN, self._begin_heeding)

    # Connection and lease ---------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Open, and again after every loss of the connection, saying what is in hand."""
        pause = 0.1
        while True:
            sent = self._clock.monotonic()
            self._show()
            holding = list(self._intake.tickets)
            try:
                kept = await self._consumer.open(lease=self.plan.lease, width=self.plan.width, holding=holding)
            except OperationalError as error:
                if self._stopping and not self._intake.tickets:
                    return
                logger.warning("Trying to connect again in %.1f s: %s", pause, error)
                await self._rest(pause)
                pause = min(pause * 2, LONGEST_PAUSE, max(self.plan.lease / 4, 0.05))
                continue
            self._renewed(sent)
            self._drained = False
            if len(kept) < len(holding):
                self._intake.keep_only(kept)
            return

    async def _lost(self) -> None:
        """The lease lapsed. What nobody has taken over meanwhile is still ours: open anew, and settle again."""
        logger.warning("This process lost its lease; other workers may have what it held")
        await self._connect()

    async def _meanwhile(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that may ask the result store. On another server that may hang for longer than a lease lasts: what runs
        here must stay ours.
        """
        if not self._elsewhere:
            await work
            return
        task = self.loop.create_task(work)
        try:
            while not task.done():
                left = max(0.0, self._renew_at - self._clock.monotonic()) if self._clocked else None
                await asyncio.wait({task}, timeout=left)
                if not task.done():
                    await self._renew()
            task.result()
        finally:
            task.cancel()

    async def _renew(self) -> None:
        sent = self._clock.monotonic()
        try:
            if await self._consumer.renew(list(self._intake.tickets)):
                await self._lost()
            else:
                self._renewed(sent)
        except OperationalError as error:
            logger.warning("The broker cannot be reached: %s", error)
            await self._connect()

    def _renewed(self, sent: float) -> None:
        self._board.reached(sent)
        self._renew_at = sent + self.plan.lease / 3
        if self._clocked:
            self.hand.lease_end = sent + self.plan.lease

    # Waiting ----------------------------------------------------------------------------------------------------------

    async def _sleep(self, room: int) -> None:
        now = self._clock.monotonic()
        timeout = (max(0.0, self._renew_at - now) if self._clocked else self.plan.lease / 3) + 0.001
        if self.hand.running():
            timeout = min(timeout, TICK)
        if self._orphaned_until is not None:
            self._leave_if_orphaned()
            timeout = min(timeout, TICK)
        self._wake.clear()
        if self._intake.out or not self.hand.io_rests(True):
            return
        arrival, patience = None, timeout
        if room:
            arrival = self.loop.create_task(self._consumer.wait(timeout))
            arrival.add_done_callback(lambda _: self._wake.set())
            if not self.hand.running():
                patience += TICK  # a wait that comes to its own end has reached the broker
        timer = self.loop.call_later(patience, self._wake.set)
        await self._wake.wait()
        timer.cancel()
        self.hand.io_rests(False)
        if arrival is not None:
            await self._arrived(arrival)
        self._blame(self._clock.monotonic() - now - patience)

    async def _arrived(self, arrival: asyncio.Task[None]) -> None:
        if not arrival.done():
            arrival.cancel()
        try:
            await arrival
            self._board.reached(self._clock.monotonic())
            self._drained = False
        except asyncio.CancelledError:
            pass
        except OperationalError as error:
            logger.warning("The broker cannot be reached: %s", error)
            await self._connect()

    def _blame(self, late: float) -> None:
        running = self.hand.places[0].held
        if late > STARVED and self.plan.width == 1 and running is not None and running.traits is not None:
            self._ahead.starved(running.traits.name)

    def _show(self) -> None:
        self._board.beat(self._clock.monotonic())
        self._board.holds(self._intake.last_serial, self._intake.unstarted, len(self._intake.tickets))

    def _stop(self) -> None:
        if not self._stopping:
            logger.info("Stopping: claims no more, ends after what runs")
        self._stopping = self._intake.closed = True
        self._board.stopping()
        self._wake.set()

    def _begin_heeding(self) -> None:
        self._heeds = True
        self._wake.set()

    def _abandon(self, status: int) -> None:
        self._stop()
        if self._abandoned is None:
            self._abandoned = status
            self.loop.call_later(LAST_WORDS, self.end_process, status)

    async def _end(self, status: int) -> None:
        """Settle what has ended, hand back all else, and end the process in the middle of what it runs."""
        self._collect()
        if self._batch:
            await self._turn(0)
        await self._leave()
        self.end_process(status)

    def _leave_if_orphaned(self) -> None:
        """Without a supervisor nobody ends a task that takes too long: then the whole process goes."""
        if self._orphaned_until is not None and self._clock.monotonic() > self._orphaned_until:
            os._exit(1)

    def _orphan(self) -> None:
        if self._orphaned_until is None:
            grace = self.plan.shutdown_timeout
            self._orphaned_until = self._clock.monotonic() + (grace if grace is not None else float("inf"))
            self._stop()
