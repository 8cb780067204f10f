"""The supervisor: one loop in one thread that starts processes, watches them, and settles for the dead.

It runs no task and no user code on its loop, and does no per-task work. What it owns is a tree: seats, each with a
process; the rescuer with the supervisor's own consumer; and four loops (watch the boards, rescue, prune, renew).
"""

import asyncio
import faulthandler
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umbel.app import signals
from umbel.broker.base import RenewFor
from umbel.core.delivery import ConsumerId
from umbel.core.errors import OperationalError
from umbel.runtime import children, system
from umbel.runtime.aside import Aside
from umbel.runtime.folder import folder_for_life
from umbel.runtime.window import WindowTaken
from umbel.worker.io_thread import LONGEST_PAUSE
from umbel.worker.listener import Listener
from umbel.worker.pruning import prune
from umbel.worker.rescuer import AWAY, Death, Rescuer
from umbel.worker.seat import Seat
from umbel.worker.starter import Starter, StartFailed
from umbel.worker.sweeper import Sweeper
from umbel.worker.vitals import Vitals
from umbel.worker.watch import LOOK, Watch

if TYPE_CHECKING:
    from umbel.worker.controller import Worker

logger = logging.getLogger("umbel.worker")
STILLBIRTHS = 3
"""Processes in a row that may die before they are ready; then the worker gives up."""
RESCUE_EVERY, PRUNE_EVERY = 1.0, 60.0
"""Seconds. Where leases run by the clock, a rescue every quarter of a lease is soon enough."""
ECHO = 0.1
"""Seconds within which a second signal is the same order: many send it to the worker and then to its whole group."""
SETTLING = 1.0
"""Seconds that processes have at most in a cold stop to settle what has just ended, so that it does not run again."""
DUMP = 0.1
"""Seconds that a process gets to write what it does, before the next one is asked."""
LAST_WORDS = 5.0
"""Seconds that the last settlements may take when the worker has to leave."""
FAREWELL = 25.0
"""Seconds that running tasks get when the broker is given up and the settings give a stop no limit."""


class Supervisor:
    """One worker. ``run`` returns its exit status."""

    def __init__(self, worker: "Worker", starter: Starter) -> None:
        self.worker = worker
        self.app = worker.app
        self.plan = worker.plan
        self._starter = starter
        self._clock = self.app.clock
        self._is_program = threading.current_thread() is threading.main_thread()
        self._stopping = False
        self._cold = False
        self._told_at = 0.0
        self._status = 0
        self._killed = False
        self._softened = False
        self._aside = Aside()
        self._seats: list[Seat] = []
        self._all_ready = asyncio.Event()
        self._stop_event = asyncio.Event()

    async def run(self) -> int:
        """From the first process to the last settlement."""
        loop = asyncio.get_running_loop()
        if self._is_program:
            for number in system.STOPS:
                loop.add_signal_handler(number, self._signalled, number)
            loop.add_signal_handler(signal.SIGUSR1, self._ask_to_dump)
            children.become_subreaper()
        self.worker.stops_by(lambda: self._told_to_stop(loop), soon=loop.call_soon_threadsafe)
        broker, id = self.app.broker, ConsumerId(secrets.token_hex(16))
        self._consumer = broker.consumer(id, node=self.plan.nodename, queues=())
        self._keeper = broker.keeper(self._consumer)
        self._rescuer = Rescuer(self.app, self.plan, self._consumer, self._keeper, self._aside)
        self._sweeper = Sweeper(self.app)
        clocked = broker.features.liveness == "clock"
        self._vitals = Vitals(self.plan, self._clock, supervisor=id, clocked=clocked)
        with folder_for_life() as folder:
            try:
                with self._vitals.windows(folder):
                    async with self._vitals.shown():
                        if await self._open():
                            await self._work(folder)
            except WindowTaken as error:
                logger.error("The worker cannot show how it is: %s", error)
                self._status = 1
            finally:
                await self._close()
                if not await self._aside.wait(LAST_WORDS):
                    logger.warning("A signal receiver has not returned: the worker ends without it")
        return self._status

    def _ask_to_dump(self) -> None:
        self._dumping = asyncio.create_task(self._dump())

    async def _dump(self) -> None:
        """Write what all threads of all processes are doing to standard error, one after the other to be readable."""
        if sys.__stderr__ is not None:
            faulthandler.dump_traceback(file=sys.__stderr__)
        for seat in self._seats:
            if seat.child is not None and seat.ready and seat.is_alive():
                seat.child.dump()
                await self._clock.sleep(DUMP)

    async def _work(self, folder: Path) -> None:
        self._seats = [Seat(index, folder, self.plan) for index in range(self.plan.processes)]
        self._vitals.processes = lambda: map(self._vitals.of_seat, self._seats)
        listener = Listener(self.app, self.plan)
        await listener.start()
        watch = Watch(self.plan, self._clock, self._keeper)
        clocked = self.app.broker.features.liveness == "clock"
        upkeep = [
            asyncio.create_task(self._guarded(work))
            for work in (
                self._every(self.plan.lease / 4 if clocked else RESCUE_EVERY, self._rescue),
                self._every(PRUNE_EVERY, self._prune),
                self._every(max(self.plan.lease / 3, 0.02), self._renew, counted=True),
                watch.run(self._seats),
            )
        ]
        tending = [asyncio.create_task(self._guarded(self._tend(seat))) for seat in self._seats]
        announcing = asyncio.create_task(self._announce())
        await asyncio.gather(*tending)
        await listener.stop()
        await listener.leave()
        for task in (*upkeep, announcing):
            task.cancel()
        await asyncio.gather(*upkeep, announcing, return_exceptions=True)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A part of the upkeep that fails takes the worker along: half a supervisor would look like a whole one."""
        try:
            await work
        except Exception:
            logger.exception("The worker ends because of an error in Umbel itself")
            self._give_up()

    # Processes --------------------------------------------------------------------------------------------------------

    async def _tend(self, seat: Seat) -> None:
        """Keep a process in the seat until the worker stops."""
        pause, stillborn = 0.0, 0
        while not self._stopping:
            if pause:
                await self._pause(pause)
                if self._stopping:
                    return
            born = self._clock.monotonic()
            try:
                await self._start(seat)
            except StartFailed as error:
                logger.error("No process can be started: %s", error)
                self._give_up()
                seat.leave()
                return
            except (*AWAY, OSError) as error:
                logger.warning("No process can be started now: %s", error)
                seat.leave()
                pause = min((pause or 0.5) * 2, LONGEST_PAUSE)
                continue
            child = seat.child
            assert child is not None
            await self._until_ready(seat)
            await child.ended.wait()
            await self._settle_for(seat)
            stillborn = 0 if seat.ready else stillborn + 1
            if stillborn >= STILLBIRTHS and not self._stopping:
                logger.error("Processes die before they are ready, %d times in a row: the worker ends", stillborn)
                self._give_up()
            lived = self._clock.monotonic() - born
            pause = 0.0 if lived > 1 or seat.why_dead() else min((pause or 0.05) * 2, 5.0)
            seat.leave()

    async def _start(self, seat: Seat) -> None:
        birth = seat.prepare()
        if signals.worker_before_create_process.receivers:
            await self._aside.call(signals.worker_before_create_process.send, sender=seat)
        await self._enroll(seat.consumer)
        seat.child = await self._starter.start(birth)
        if self._killed:
            Watch.kill(seat, "shutdown")
        elif self._stopping:
            seat.child.stop()

    async def _until_ready(self, seat: Seat) -> None:
        """Hear the process's ``ready``, or see it die before."""
        child = seat.child
        assert child is not None
        child.line.setblocking(False)
        heard = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(child.line, 64))
        ended = asyncio.ensure_future(child.ended.wait())
        await asyncio.wait({heard, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if heard.done() and not heard.exception() and heard.result():
            seat.ready = True
            if all(other.ready for other in self._seats):
                self._all_ready.set()
        else:
            heard.cancel()
        await asyncio.gather(heard, ended, return_exceptions=True)

    async def _settle_for(self, seat: Seat) -> None:
        child = seat.child
        assert child is not None
        status = await self._starter.status(child)
        number, code = children.describe_status(status) if status is not None else (None, None)
        board = seat.board
        death = Death(child.pid, number, code, board.slots(), board.is_stopping(), seat.why_dead(), board.begun())
        if not death.stopping and (number or code) and not death.slots:
            logger.error("Process %d %s while it ran nothing", child.pid, death)
        patience, pause = LAST_WORDS, 0.25
        while True:
            try:
                await self._rescuer.settle_for(seat.consumer, death)
                return
            except AWAY as error:
                logger.warning("What a dead process held cannot be settled yet: %s", error)
                pause = min(pause * 2, 0.5 if self._stopping else 4.0)
                if self._stopping and (patience := patience - pause) < 0:
                    return
                await self._clock.sleep(pause)
                await self._reopen()

    # The broker -------------------------------------------------------------------------------------------------------

    async def _open(self) -> bool:
        """Connect; while the broker is away, keep trying unless the settings say otherwise."""
        pause, attempts = 0.1, 0
        while not self._stopping:
            try:
                await self._consumer.open(lease=self.plan.lease, width=0)
                self._vitals.reached()
                if self.plan.purge:
                    for queue in self.plan.queues:
                        logger.warning("Purged %d messages from %s", await self._keeper.purge(queue), queue)
                return True
            except OperationalError as error:
                attempts += 1
                if not self.app.conf.broker_connection_retry_on_startup or self._tried_enough(attempts):
                    logger.error("%s", error)
                    self._status = 1
                    return False
                logger.warning("%s. Trying again in %.1f s", error, pause)
                await self._pause(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        return False

    def _tried_enough(self, attempts: int) -> bool:
        most = self.app.conf.broker_connection_max_retries
        return bool(most) and attempts > (most or 0)

    def _leave_broker(self, attempts: int) -> None:
        """The settings say that the broker was tried for long enough. What runs gets the time that a stop gives it."""
        logger.error("The broker was not reached in %d attempts: the worker ends", attempts)
        self._status = 1
        if not self._stopping:
            self._stop(None, timed=True)
            patience = FAREWELL if self.plan.shutdown_timeout is None else self.plan.shutdown_timeout
            asyncio.get_running_loop().call_later(patience, self._kill_all)

    async def _reopen(self) -> None:
        try:
            await self._rescuer.reopen()
        except OperationalError as error:
            logger.warning("%s", error)

    async def _enroll(self, consumer: ConsumerId) -> None:
        if isinstance(self._keeper, RenewFor):
            await self._keeper.enroll(consumer, lease=self.plan.lease, width=self.plan.width)

    async def _close(self) -> None:
        try:
            await asyncio.wait_for(self._consumer.close(), LAST_WORDS)
        except (OperationalError, TimeoutError) as error:
            logger.warning("The worker could not take its leave of the broker: %s", error)
        await self._keeper.close()
        if self.app.store is not None:
            await self.app.store.close()

    # Upkeep -----------------------------------------------------------------------------------------------------------

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]], *, counted: bool = False) -> None:
        """Work again and again. Where the failures are ``counted``, the settings say how many are enough."""
        failures = 0
        while True:
            try:
                await work()
                failures = 0
            except AWAY as error:
                failures += 1
                logger.warning("%s", error)
                if counted and (not self.app.conf.broker_connection_retry or self._tried_enough(failures)):
                    self._leave_broker(failures)
                    return
                await self._reopen()
            again = min(0.5 * 2 ** min(failures, 3), self.plan.lease / 4)  # a lease must not lapse meanwhile
            await self._clock.sleep(again if failures else seconds)

    async def _rescue(self) -> None:
        if self._is_program:  # in another program, children that are not ours are its own
            self._reap()
        if count := await self._rescuer.rescue():
            logger.warning("Rescued %d messages of lost workers", count)

    def _reap(self) -> None:
        ours = {seat.child.pid for seat in self._seats if seat.child is not None}
        children.reap_orphans(ours | self._starter.pids)

    async def _prune(self) -> None:
        await prune(self._keeper, self.app.store, self._clock)
        await self._sweeper.sweep()

    async def _renew(self) -> None:
        """The supervisor's own lease, and those of processes that are busy and cannot renew theirs."""
        await self._consumer.renew(())
        self._vitals.reached()
        if not isinstance(self._keeper, RenewFor):
            return
        stale = self._clock.monotonic() - self.plan.lease / 2
        busy = [
            seat.consumer
            for seat in self._seats
            if seat.is_alive() and seat.board.last_beat() < stale and any(seat.running()) and not _frozen(seat)
        ]
        if busy:
            await self._keeper.renew_for(busy, lease=self.plan.lease)

    async def _announce(self) -> None:
        await self._all_ready.wait()
        await self._aside.call(self.worker.is_ready)

    # Stopping ---------------------------------------------------------------------------------------------------------

    def _told_to_stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """From any thread."""
        try:
            loop.call_soon_threadsafe(lambda: None if self._stopping else self._stop(None))
        except RuntimeError:
            pass  # it has ended meanwhile

    def _signalled(self, number: int) -> None:
        now = self._clock.monotonic()
        if number != system.QUIT and self._stopping and now - self._told_at < ECHO:
            return
        self._told_at = now
        if self._stopping or number == system.QUIT:
            self._status = 1
            if self._soften(number):
                return
            self._cold = True
        if self._stopping:
            self._cooling = asyncio.get_running_loop().create_task(self._kill_settled())
            return
        how = "Cold" if self._cold else "Warm"
        logger.warning("%s shutdown (%s)", how, children.signal_name(number))
        self._stop(number)

    def _soften(self, number: int) -> bool:
        """Before a cold shutdown, if the settings want it: what runs gets some time first. Once."""
        seconds, self._softened = 0.0 if self._softened else self.plan.soft_shutdown_timeout, True
        if not seconds:
            return False
        logger.warning("Soft shutdown (%s): running tasks get %g s", children.signal_name(number), seconds)
        asyncio.get_running_loop().call_later(seconds, self._kill_all)
        if not self._stopping:
            self._stop(number, timed=True)
        return True

    def _stop(self, number: int | None, *, timed: bool = False) -> None:
        self._stopping = self._vitals.stopping = True
        self._stop_event.set()
        loop = asyncio.get_running_loop()
        self._aside.call(self._send_shutting_down, number)
        for seat in self._seats:
            if seat.child is not None:
                seat.child.stop()
        if self._cold:
            self._cooling = loop.create_task(self._kill_settled())
        elif self.plan.shutdown_timeout is not None and not timed:
            loop.call_later(self.plan.shutdown_timeout, self._kill_all)

    def _send_shutting_down(self, number: int | None) -> None:
        name = children.signal_name(number) if number is not None else None
        how = "Cold" if self._cold else "Warm"
        signals.worker_shutting_down.send(sender=self.plan.nodename, sig=name, how=how, exitcode=self._status)

    async def _kill_settled(self) -> None:
        """Kill all, as soon as they hold nothing but what runs."""
        patience = self._clock.monotonic() + SETTLING
        while self._clock.monotonic() < patience:
            if all(seat.board.only_runs() for seat in self._seats if seat.is_alive() and seat.ready):
                break
            await self._clock.sleep(LOOK)
        self._kill_all()

    def _kill_all(self) -> None:
        if not self._killed:
            self._killed = True
            asyncio.get_running_loop().call_later(LAST_WORDS + 1, self._leave_anyway)
        for seat in self._seats:
            if seat.child is not None and not seat.child.ended.is_set():
                Watch.kill(seat, "shutdown")

    def _leave_anyway(self) -> None:
        """What is left hangs on a broker or on user code: locks and leases tell others that this worker is gone."""
        logger.error("The worker leaves with its last settlements undone")
        os._exit(1)

    def _give_up(self) -> None:
        self._status = 1
        if not self._stopping:
            self._stop(None)

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless the worker stops."""
        try:
            await asyncio.wait_for(self._stop_event.wait(), seconds)
        except TimeoutError:
            pass


def _frozen(seat: Seat) -> bool:
    return seat.child is not None and children.is_stopped(seat.child.pid)
