"""The board between two processes: a reader never sees half of what is being written."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from umbel.worker.board import Board
from umbel.worker.hand import Place
from umbel.worker.runner import Runner

LOOKS = 50_000
BEAT = 1_000_000.0

WRITER = f"""
import sys
from pathlib import Path
from umbel.worker.board import Board

board = Board(Path(sys.argv[1]))
board.beat({BEAT})
board.holds(7, 3, 4)
board.start(0, 1, 7, 5.0, 0.0, 0.0, b"name", b"id")
print("writing", flush=True)
while True:
    board.beat({BEAT})
    board.holds(7, 3)
    board.start(0, 1, 7, 5.0, 0.0, 0.0, b"name", b"id")
"""


def test_a_reader_never_sees_half_of_what_is_written(tmp_path: Path) -> None:
    # It killed healthy processes: their beat was read as 0.
    board = Board(tmp_path / "board", create_width=1)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(board.path)], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        wrong: list[object] = []
        for _ in range(LOOKS):
            slot = board.slot(0)
            if not slot.torn and (slot.running, slot.serial, slot.name) != (True, 7, "name"):
                wrong.append(slot)
            if board.last_beat() != BEAT or board.held() != (7, 3):
                wrong.append((board.last_beat(), board.held()))
    finally:
        writer.kill()
        writer.communicate()
        board.close()
    assert wrong == []


def test_a_slot_that_is_being_written_is_torn(tmp_path: Path) -> None:
    board = Board(tmp_path / "board", create_width=1)
    board.start(0, 1, 7, 5.0, 0.0, 0.0, b"name", b"id")
    assert not board.slot(0).torn
    board._longs[128 >> 3] += 1
    assert board.slot(0).torn
    board.close()


def test_the_end_of_a_task_that_may_have_kept_the_io_thread_from_running_is_a_sign_of_life(tmp_path: Path) -> None:
    board = Board(tmp_path / "board", create_width=1)
    now = 100.0
    clock = SimpleNamespace(monotonic=lambda: now)
    lane: Any = SimpleNamespace(app=None, clock=clock, nodename="n", hand=SimpleNamespace(board=board))
    runner = Runner(lane, Place(0))
    board.beat(90.0)
    assert (runner.ran_for(99.99) < 0.1, board.last_beat()) == (True, 90.0), "the I/O thread speaks for itself"
    assert (runner.ran_for(91.0), board.last_beat()) == (9.0, 100.0)
    board.close()
