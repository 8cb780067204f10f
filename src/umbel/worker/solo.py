"""A worker without a supervisor, in this very process: ``--pool solo``, and other lanes beside a block of a test.

Nobody enforces the hard limits of ``solo``; the others see to theirs themselves.
"""

import logging
import os
import secrets
import signal
import threading
from contextlib import ExitStack
from types import FrameType
from typing import TYPE_CHECKING

from umbel.app import signals
from umbel.core.delivery import ConsumerId
from umbel.runtime import system
from umbel.runtime.children import signal_name
from umbel.runtime.clock import Clock
from umbel.runtime.folder import folder_for_life
from umbel.runtime.window import WindowTaken
from umbel.worker.board import Board
from umbel.worker.caretaker import Caretaker
from umbel.worker.plan import Plan
from umbel.worker.process import Process, leave
from umbel.worker.supervisor import ECHO
from umbel.worker.vitals import Vitals

if TYPE_CHECKING:
    from umbel.worker.controller import Worker

logger = logging.getLogger("umbel.worker")


def run_solo(worker: "Worker") -> int:
    """Run tasks on this thread, or on those of its lane, until told to stop."""
    clocked = worker.app.broker.features.liveness == "clock"
    caretaker = Caretaker(worker.app, worker.plan)
    vitals = Vitals(worker.plan, worker.app.clock, supervisor=caretaker.id, clocked=clocked)
    with folder_for_life() as folder, ExitStack() as stack:
        try:
            stack.enter_context(vitals.windows(folder))
        except WindowTaken as error:
            logger.error("The worker cannot show how it is: %s", error)
            return 1
        _run(worker, caretaker, vitals, Board(folder / "board", create_width=worker.plan.width))
    return 0


def _run(worker: "Worker", caretaker: Caretaker, vitals: Vitals, board: Board) -> None:
    plan, id = worker.plan, ConsumerId(secrets.token_hex(16))
    process = Process(worker.app, plan, id, board)
    vitals.processes = lambda: [vitals.of(id, "MainProcess", os.getpid(), board, ready=bool(board.last_reached()))]
    process.io.beside = vitals.shown
    # Receivers of worker_ready are user code, which the I/O thread never runs.
    process.io.on_ready = threading.Thread(target=worker.is_ready, name="umbel-ready", daemon=True).start
    if threading.current_thread() is threading.main_thread():
        process.io.end_process = leave
        stop = Stop(process, plan, worker.app.clock)
        for number in system.STOPS:
            signal.signal(number, stop)
        system.dump_when_asked()
    worker.stops_by(process.io.stop, soon=process.io.soon)
    signals.worker_process_init.send(sender=plan.nodename)
    caretaker.start()
    try:
        process.run()
    finally:
        caretaker.stop()
        process.lane.free()
    signals.worker_process_shutdown.send(sender=plan.nodename, pid=os.getpid(), exitcode=0)


class Stop:
    """What signals tell it. What runs gets the time of a warm stop; then it is handed back, and the process ends.

    A signal is heard between two instructions of the task's own code, or not at all.
    """

    def __init__(self, process: Process, plan: Plan, clock: Clock) -> None:
        self._process = process
        self._plan = plan
        self._clock = clock
        self._told_at: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Hear a signal."""
        now = self._clock.monotonic()
        again = self._told_at is not None
        if self._told_at is not None and number != system.QUIT and now - self._told_at < ECHO:
            return
        self._told_at = now
        cold = again or number == system.QUIT
        how = "Cold" if cold else "Warm"
        logger.warning("%s shutdown (%s)", how, signal_name(number))
        if cold:
            self._process.io.abandon(1)
            return
        signals.worker_shutting_down.send(sender=self._plan.nodename, sig=signal_name(number), how=how, exitcode=0)
        self._process.io.stop()
        if self._plan.shutdown_timeout is not None:
            timer = threading.Timer(self._plan.shutdown_timeout, self._process.io.abandon, (0,))
            timer.daemon = True
            timer.start()
