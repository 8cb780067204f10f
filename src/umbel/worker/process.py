"""One process of a worker: an I/O thread and a lane, and the line to the supervisor.

The supervisor speaks by one socket: a line ``stop``, a line ``end GENERATION SERIAL SIGNAL`` about one task, or its
end, which means that the supervisor is gone. The process answers with a line ``ready``. It has a process group of its
own and does not heed TERM and INT, so that a signal to the whole group stops a worker once.
"""

import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec

from umbel.app import signals
from umbel.app.application import Umbel
from umbel.core.delivery import ConsumerId
from umbel.runtime import system
from umbel.runtime.unpatched import read, start, write
from umbel.worker.board import Board
from umbel.worker.hand import Hand
from umbel.worker.io_thread import IoThread
from umbel.worker.lane import Lane
from umbel.worker.lanes import make_lane
from umbel.worker.log import name_process, set_up_again
from umbel.worker.outlet import LaneOutlet
from umbel.worker.plan import Plan
from umbel.worker.readahead import ReadAhead
from umbel.worker.wear import Wear

logger = logging.getLogger("umbel.worker")
SWITCH = 0.0005
"""The interpreter's switch interval: an I/O round trip beside pure-Python tasks falls from 5.25 ms to 0.71 ms."""
UNHEEDED = system.STOPS
"""The supervisor stops its processes by their line, once, whatever a terminal or a service manager sends to all."""


class Birth(msgspec.Struct):
    """What a process is told when it starts."""

    consumer: str
    board: str
    name: str
    index: int
    plan: Plan


class Process:
    """The two threads, for a child of the supervisor and for ``solo``."""

    def __init__(self, app: Umbel, plan: Plan, consumer: ConsumerId, board: Board) -> None:
        ahead = ReadAhead(plan.cap, plan.width)
        self.hand = Hand(app.clock, board)
        self.io = IoThread(app, plan, self.hand, ahead, consumer)
        self.lane = make_lane(app, plan, self.hand, ahead)
        self.lane.revoked = lambda headers: bool(self.io.marks) and self.io.marks.hit(headers) is not None
        self.lane.retire = self._retire
        self.lane.worn = Wear(plan, self._retire).after
        self._app = app
        self._mask = threading.local()

    def run(self) -> None:
        """Run until told to stop. What it raises is an error in Umbel: then the process must end, not wait."""
        sys.setswitchinterval(SWITCH)
        self.io.start()
        self._app.outlet = LaneOutlet(self.io, self.lane)
        system.at_fork(before=self._before_fork, after_in_parent=self._after_fork, after_in_child=self._forked)
        self.lane.run()
        self._app.outlet = None
        self.io.join()

    def _retire(self, why: str) -> None:
        """End after what runs; the supervisor starts a fresh process. From any thread."""
        if not self.hand.retired:
            self.hand.retired = True
            logger.info("This process ends after what runs: %s", why)
            self.io.stop()

    def _forked(self) -> None:
        """A child that a task forked has no I/O thread: it publishes by itself, and heeds signals again."""
        self._app.outlet = None
        self.lane.forked = True
        for number in UNHEEDED:
            if signal.getsignal(number) is _unheeded:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        self._after_fork()

    def _before_fork(self) -> None:
        """A signal for a child that does not heed it yet must wait: Python forgets those that come while it forks."""
        self._mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, UNHEEDED)

    def _after_fork(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask.before)


def main(app: Umbel, birth: Birth, line: socket.socket) -> int:
    """Be a process: from its start to its exit status."""
    _signals()
    _no_input()
    name_process(birth.name)
    set_up_again(birth.plan.log, birth.index)
    board = Board(Path(birth.board))
    process = Process(app, birth.plan, ConsumerId(birth.consumer), board)
    process.io.on_ready = lambda: _say_ready(line)
    _lanes.append(process.lane)
    signals.worker_process_init.send(sender=birth.plan.nodename)
    start(lambda: _listen(process, line), "umbel-line")
    status = 0
    try:
        process.run()
    except BaseException:
        logger.exception("A process ends because of an error in Umbel itself")
        status = 1
    signals.worker_process_shutdown.send(sender=birth.plan.nodename, pid=os.getpid(), exitcode=status)
    return status


def _say_ready(line: socket.socket) -> None:
    try:
        write(line.fileno(), b"ready\n")
    except OSError:
        pass  # the supervisor has ended: who listens to it hears so too


def leave(status: int) -> NoReturn:
    """End at once, whatever threads a task has left behind, with everything written that was printed."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except Exception:  # noqa: BLE001  closed by a task, or nobody reads it any more
            pass
    os._exit(status)


def _listen(process: Process, line: socket.socket) -> None:
    """Hear the supervisor; its silence for good is its end."""
    system.block_signals()
    os.set_blocking(line.fileno(), True)  # whatever has replaced the methods of sockets
    heard = b""
    while True:
        try:
            data = read(line.fileno(), 4096)
        except OSError:
            data = b""
        if not data:
            process.io.orphaned()
            return
        *lines, heard = (heard + data).split(b"\n")
        for order in lines:
            _obey(process, order.split())


def _obey(process: Process, order: list[bytes]) -> None:
    match order:
        case [b"stop"]:
            process.io.stop()
        case [b"heed"]:
            process.io.heed_marks()
        case [b"end", generation, serial, number]:
            try:
                process.lane.terminate(int(generation), int(serial), int(number))
            except Exception:
                logger.exception("A revoked task met an error in Umbel itself")  # its process is ended for it


def _signals() -> None:
    os.setpgid(0, 0)
    for number in UNHEEDED:
        # Not SIG_IGN, which every program that a task starts would inherit and could then not be terminated.
        signal.signal(number, _unheeded)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    system.dump_when_asked()


_lanes: list[Lane] = []
"""The one of this process, which knows whether it was told to end what it runs by a signal."""


def _unheeded(number: int, frame: FrameType | None) -> None:
    if any(lane.is_deadly(number) for lane in _lanes):
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _no_input() -> None:
    """A task that reads from the terminal would be stopped by it, being in the background: it reads nothing instead."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
