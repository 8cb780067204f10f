"""What a worker shows through its windows, read from the boards when somebody looks. Asks no broker, ends nothing."""

import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from umbel.core.delivery import ConsumerId
from umbel.core.vitals import Doing, ProcessVitals, Signs, WorkerVitals, state_of
from umbel.runtime import children, window
from umbel.runtime.clock import Clock
from umbel.worker.board import Board
from umbel.worker.plan import Plan
from umbel.worker.seat import Seat

logger = logging.getLogger("umbel.worker")


class Vitals:
    """Those of one worker. ``processes`` gives them as they are; ``supervisor`` is the id of who rescues there."""

    def __init__(self, plan: Plan, clock: Clock, *, supervisor: ConsumerId, clocked: bool) -> None:
        self.processes: Callable[[], Iterable[ProcessVitals]] = list
        self.stopping = False
        self._plan = plan
        self._clock = clock
        self._supervisor = supervisor
        self._clocked = clocked
        self._born = clock.monotonic()
        self._reached: float | None = None
        self._windows: list[socket.socket] = []

    def reached(self) -> None:
        """The broker has answered the supervisor."""
        self._reached = self._clock.monotonic()

    @contextmanager
    def windows(self, folder: Path) -> Iterator[None]:
        """One in the worker's folder, where that can be, and one where the settings say. Raises ``WindowTaken``."""
        with ExitStack() as stack:
            if window.can_have_windows():
                try:
                    self._windows.append(stack.enter_context(window.window(folder / window.NAME)))
                except window.WindowTaken as error:
                    logger.warning("umbel health does not find this worker by itself: %s", error)
                if self._plan.health_socket is not None:
                    self._windows.append(stack.enter_context(window.window(Path(self._plan.health_socket))))
            elif self._plan.health_socket is not None:
                raise window.WindowTaken("worker_health_socket: this platform has no such sockets")
            yield

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Show them through the windows, on the running loop."""
        async with AsyncExitStack() as stack:
            for sill in self._windows:
                await stack.enter_async_context(window.open_to(sill, self._tell))
            yield

    def now(self) -> WorkerVitals:
        """As they are now."""
        plan = self._plan
        return WorkerVitals(
            node=plan.nodename,
            id=self._supervisor,
            pid=os.getpid(),
            pool=plan.pool,
            slots=plan.width,
            queues=list(plan.queues),
            uptime=self._clock.monotonic() - self._born,
            stopping=self.stopping,
            reached=self._since(self._reached),
            processes=list(self.processes()),
        )

    def of_seat(self, seat: Seat) -> ProcessVitals:
        """Those of a process that has a supervisor."""
        if seat.child is None or seat.child.ended.is_set():
            return ProcessVitals(getattr(seat, "consumer", ConsumerId("")), seat.name)
        pid = seat.child.pid
        return self.of(seat.consumer, seat.name, pid, seat.board, ready=seat.ready, halted=children.is_stopped(pid))

    def of(
        self, id: ConsumerId, name: str, pid: int, board: Board, *, ready: bool, halted: bool = False
    ) -> ProcessVitals:
        """Those of a process with this board."""
        now = self._clock.monotonic()
        running = [
            Doing(slot.name, slot.id, max(now - slot.since, 0.0), slot.soft or None, slot.hard or None)
            for slot in board.slots()
            if slot.running and not slot.torn
        ]
        reached = self._since(board.last_reached() or None)
        beat = now - (board.last_beat() or now)
        awake = now - (board.last_woke() or now)
        signs = Signs(ready, board.is_stopping(), halted, beat, awake, reached, running)
        state, why = state_of(
            signs, lease=self._plan.lease, clocked=self._clocked, supervisor_reached=self._since(self._reached)
        )
        unstarted = board.held()[1]
        held = len(running) + unstarted
        return ProcessVitals(id, name, pid, state, why, beat, reached, running, unstarted, held)

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None else max(self._clock.monotonic() - moment, 0.0)

    def _tell(self) -> bytes:
        return msgspec.json.encode(self.now())
