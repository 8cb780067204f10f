"""``--pool solo``: one process that is its own worker, for debugging. No supervisor, so no hard limits."""

import logging
import os
import secrets
import signal
import tempfile
from pathlib import Path
from types import FrameType

from umbel.app import signals
from umbel.app.application import Umbel
from umbel.core.delivery import ConsumerId
from umbel.worker.board import Board
from umbel.worker.plan import Plan
from umbel.worker.process import Process

logger = logging.getLogger("umbel.worker")


def run_solo(app: Umbel, plan: Plan) -> int:
    """Run tasks on this thread until told to stop."""
    with tempfile.TemporaryDirectory(prefix="umbel-") as folder:
        board = Board(Path(folder) / "board", create_width=1)
        process = Process(app, plan, ConsumerId(secrets.token_hex(16)), board)
        stops = 0

        def stop(number: int, frame: FrameType | None) -> None:
            nonlocal stops
            stops += 1
            if stops > 1:
                os._exit(1)
            logger.warning("Warm shutdown")
            process.io.stop()

        process.io.on_ready = lambda: logger.info("%s ready.", plan.nodename)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        signals.worker_process_init.send(sender=None)
        signals.worker_ready.send(sender=process)
        process.run()
        signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
    return 0
