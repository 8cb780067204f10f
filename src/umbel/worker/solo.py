"""``--pool solo``: one process that is its own worker, for debugging. No supervisor, so no hard limits."""

import logging
import os
import secrets
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

from umbel.app import signals
from umbel.core.delivery import ConsumerId
from umbel.runtime.folder import folder_for_life
from umbel.worker.board import Board
from umbel.worker.caretaker import Caretaker
from umbel.worker.process import Process
from umbel.worker.vitals import Vitals

if TYPE_CHECKING:
    from umbel.worker.controller import Worker

logger = logging.getLogger("umbel.worker")


def run_solo(worker: "Worker") -> int:
    """Run tasks on this thread until told to stop."""
    plan = worker.plan
    with folder_for_life() as folder:
        board = Board(folder / "board", create_width=1)
        id = ConsumerId(secrets.token_hex(16))
        process = Process(worker.app, plan, id, board)
        vitals = Vitals(plan, worker.app.clock, supervisor=None, clocked=worker.app.broker.features.liveness == "clock")
        vitals.processes = lambda: [vitals.of(id, "MainProcess", os.getpid(), board, ready=bool(board.last_reached()))]
        process.io.beside = lambda: vitals.shown(folder)
        # Receivers of worker_ready are user code, which the I/O thread never runs.
        process.io.on_ready = threading.Thread(target=worker.is_ready, name="umbel-ready", daemon=True).start
        if threading.current_thread() is threading.main_thread():
            _heed_signals(process, plan.nodename)
        worker.stops_by(process.io.stop, soon=process.io.soon)
        signals.worker_process_init.send(sender=plan.nodename)
        caretaker = Caretaker(worker.app, plan)
        caretaker.start()
        try:
            process.run()
        finally:
            caretaker.stop()
        signals.worker_process_shutdown.send(sender=plan.nodename, pid=os.getpid(), exitcode=0)
    return 0


def _heed_signals(process: Process, nodename: str) -> None:
    stops = 0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stops
        stops += 1
        if stops > 1:
            os._exit(1)
        logger.warning("Warm shutdown")
        signals.worker_shutting_down.send(sender=nodename, sig=signal.Signals(number).name, how="Warm", exitcode=0)
        process.io.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
