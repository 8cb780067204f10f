"""``--pool solo``: one process that is its own worker, for debugging. No supervisor, so no hard limits."""

import logging
import os
import secrets
import signal
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from umbel.app import signals
from umbel.core.delivery import ConsumerId
from umbel.worker.board import Board
from umbel.worker.process import Process

if TYPE_CHECKING:
    from umbel.worker.controller import Worker

logger = logging.getLogger("umbel.worker")


def run_solo(worker: "Worker") -> int:
    """Run tasks on this thread until told to stop."""
    plan = worker.plan
    with tempfile.TemporaryDirectory(prefix="umbel-") as folder:
        board = Board(Path(folder) / "board", create_width=1)
        process = Process(worker.app, plan, ConsumerId(secrets.token_hex(16)), board)
        # Receivers of worker_ready are user code, which the I/O thread never runs.
        process.io.on_ready = threading.Thread(target=worker.is_ready, name="umbel-ready", daemon=True).start
        if threading.current_thread() is threading.main_thread():
            _heed_signals(process, plan.nodename)
        worker.stops_by(process.io.stop)
        signals.worker_process_init.send(sender=plan.nodename)
        process.run()
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
