"""Frozen processes, a lost supervisor: what was rescued is run once, by one (G3, G4, G5)."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worker.fleet import Farm, until
from umbel.core.errors import WorkerLostError


def test_a_frozen_process_is_ended_and_its_work_done_elsewhere(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(worker_lease=0.6)
    worker = farm.worker("-c", "1")
    held = farm.send("hold", "h", str(farm.gate()))
    first = farm.started("h")
    os.kill(first.pid, signal.SIGSTOP)
    second = farm.started("h", times=2)
    assert second.pid != first.pid
    try:
        os.kill(first.pid, signal.SIGCONT)
    except ProcessLookupError:
        pass
    farm.gate().touch()
    assert held.get(timeout=20) == "h"
    assert len(farm.lines("end", "h")) == 1
    assert "stopped for longer than its lease" in worker.text
    assert worker.stop() == 0


def test_a_frozen_idle_process_is_replaced(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(worker_lease=0.6)
    worker = farm.worker("-c", "1")
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    server, process = sorted(worker.descendants())
    os.kill(process, signal.SIGSTOP)
    assert farm.send("add", 3, 3).get(timeout=20) == 6
    assert server in worker.descendants()
    assert worker.stop() == 0


def test_without_its_supervisor_a_process_ends_and_another_worker_has_everything(farm: Farm) -> None:
    first = farm.worker("-c", "2")
    finishing = farm.send("hold", "h", str(farm.gate()))
    pid = farm.started("h").pid
    processes = first.descendants()
    first.signal(signal.SIGKILL)
    first.wait()
    second = farm.worker("-c", "1")
    results = [farm.send("quick", i) for i in range(20)]
    assert [result.get(timeout=20) for result in results] == list(range(20))
    farm.gate().touch()
    assert finishing.get(timeout=20) == "h"
    assert [line.pid for line in farm.lines("start", "h")] == [pid], "a task that still runs is not run again"
    for process in processes:
        until(lambda process=process: not Path(f"/proc/{process}").exists(), 10)  # type: ignore[misc]
    assert second.stop() == 0


def test_a_lost_machine_is_rescued(farm_with: Callable[..., Farm]) -> None:
    """Supervisor and processes killed together, as with a machine: only file locks tell, or the end of leases."""
    farm = farm_with(worker_lease=2)
    first = farm.worker("-c", "1")
    held = farm.send("hold", "h", str(farm.gate()))
    farm.started("h")
    second = farm.worker("-c", "1")
    first.end()
    farm.gate().touch()
    assert held.get(timeout=20) == "h"
    until(lambda: "Rescued" in second.text)
    assert second.stop() == 0


def test_a_lost_machine_does_not_run_again_what_was_acknowledged_early(farm_with: Callable[..., Farm]) -> None:
    """Nobody has seen the board: only the mark in the broker tells."""
    farm = farm_with(worker_lease=2)
    first = farm.worker("-c", "1")
    lost = farm.send("sleep_early", "e", 60)
    farm.started("e")
    second = farm.worker("-c", "1")
    first.end()
    with pytest.raises(WorkerLostError):
        lost.get(timeout=40)
    assert len(farm.lines("start", "e")) == 1
    assert second.stop() == 0


def test_a_frozen_supervisor_costs_nothing(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(worker_lease=0.4)
    worker, other = farm.worker("-c", "1"), farm.worker("-c", "1")
    held = farm.send("hold", "h", str(farm.gate()))
    farm.started("h")
    frozen = worker if farm.started("h").pid in worker.descendants() else other
    frozen.signal(signal.SIGSTOP)
    results = [farm.send("sleep", f"s{i}", 0.1) for i in range(12)]
    for result in results:
        result.get(timeout=20)
    frozen.signal(signal.SIGCONT)
    farm.gate().touch()
    assert held.get(timeout=20) == "h"
    assert len(farm.lines("start", "h")) == 1
    assert [len(farm.lines("start", f"s{i}")) for i in range(12)] == [1] * 12
    assert worker.stop() == other.stop() == 0


def test_an_orphan_leaves_in_time(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(worker_shutdown_timeout=1, worker_lease=2)
    worker = farm.worker("-c", "1")
    held = farm.send("hold", "h", str(farm.gate()))
    pid = farm.started("h").pid
    worker.signal(signal.SIGKILL)
    worker.wait()
    until(lambda: not Path(f"/proc/{pid}").exists(), 10)
    farm.gate().touch()
    farm.worker("-c", "1")
    assert held.get(timeout=20) == "h"


UNHEARD = """
import socket
import umbel.worker.process
import {patcher}; {patch}
ours, supervisors = socket.socketpair()
supervisors.close()
umbel.worker.process._say_ready(ours)
"""


@pytest.mark.parametrize(
    ("patcher", "patch"),
    [("eventlet", "eventlet.monkey_patch()"), ("gevent.monkey", "gevent.monkey.patch_all()"), ("socket", "")],
)
def test_a_process_that_is_ready_when_nobody_listens_any_more_goes_on(patcher: str, patch: str) -> None:
    code = UNHEARD.format(patcher=patcher, patch=patch)
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
