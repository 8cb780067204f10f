"""A worker told to stop has stopped in time and has handed back what it did not finish (G8)."""

import os
import signal
from collections.abc import Callable

import pytest

from tests.worker.fleet import Farm, Worker, until


def waiting(farm: Farm) -> tuple[int, int]:
    depth = farm.depth()
    return depth.ready, depth.claimed


def with_ten_behind(farm: Farm, *arguments: str) -> tuple[Worker, object]:
    worker = farm.worker("-c", "1", *arguments)
    held = farm.send("hold", "h", str(farm.gate()))
    farm.started("h")
    for i in range(10):
        farm.send("quick", i)
    return worker, held


@pytest.mark.parametrize("whole_group", [False, True], ids=["the worker", "its process group"])
def test_term_lets_the_running_task_finish_and_nothing_else_start(farm: Farm, whole_group: bool) -> None:
    worker, held = with_ten_behind(farm)
    if whole_group:
        os.killpg(worker.process.pid, signal.SIGTERM)
    else:
        worker.signal(signal.SIGTERM)
    until(lambda: "Stopping" in worker.text)
    until(lambda: waiting(farm)[0] == 10)
    farm.gate().touch()
    assert worker.wait() == 0
    assert held.get(timeout=5) == "h"  # type: ignore[attr-defined]
    assert waiting(farm) == (10, 0)
    assert not any(farm.lines("start", i) for i in range(10))


@pytest.mark.parametrize("whole_group", [False, True], ids=["the worker", "its process group"])
def test_what_does_not_finish_in_time_is_handed_back_uncounted(
    farm_with: Callable[..., Farm], whole_group: bool
) -> None:
    farm = farm_with(worker_shutdown_timeout=1)
    worker, held = with_ten_behind(farm)
    if whole_group:
        os.killpg(worker.process.pid, signal.SIGTERM)
    else:
        worker.signal(signal.SIGTERM)
    assert worker.wait(5) == 0
    assert waiting(farm) == (11, 0)
    farm.gate().touch()
    again = farm.worker("-c", "1")
    assert held.get(timeout=20) == "h"  # type: ignore[attr-defined]
    farm.started(9)
    assert "(loss" not in worker.text + again.text
    assert farm.lines("start", "h")[1].at < farm.lines("start", 0)[0].at, "it went back to the front"


def test_a_second_signal_is_a_cold_stop(farm: Farm) -> None:
    worker, _ = with_ten_behind(farm)
    worker.signal(signal.SIGTERM)
    worker.signal_again(signal.SIGTERM)
    assert worker.wait(5) == 1
    assert waiting(farm) == (11, 0)


def test_quit_is_a_cold_stop(farm: Farm) -> None:
    worker, _ = with_ten_behind(farm)
    worker.signal(signal.SIGQUIT)
    assert worker.wait(5) == 1
    assert waiting(farm) == (11, 0)


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_an_idle_worker_stops_at_once(farm: Farm, pool: str) -> None:
    worker = farm.worker("-c", "1", "-P", pool)
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    assert worker.stop() == 0


def test_solo_finishes_its_task(farm: Farm) -> None:
    worker, held = with_ten_behind(farm, "-P", "solo")
    worker.signal(signal.SIGTERM)
    until(lambda: "Stopping" in worker.text)
    until(lambda: waiting(farm)[0] == 10)
    farm.gate().touch()
    assert worker.wait() == 0
    assert held.get(timeout=5) == "h"  # type: ignore[attr-defined]
    assert waiting(farm) == (10, 0)


def test_usr1_shows_what_a_solo_worker_does_and_does_not_end_it(farm: Farm) -> None:
    worker = farm.worker("-P", "solo")
    held = farm.send("hold", "one", str(farm.gate()))
    farm.started("one")
    worker.signal(signal.SIGUSR1)
    until(lambda: "in hold\n" in worker.text, what="the task in the stacks")
    farm.gate().touch()
    assert held.get(timeout=20) == "one"
    assert worker.stop() == 0


@pytest.mark.parametrize("lane", ["prefork", "threads"])
def test_usr1_shows_what_every_process_does_and_ends_none(farm: Farm, lane: str) -> None:
    worker = farm.worker("-P", lane, "-c", "2", "--processes", "2") if lane == "threads" else farm.worker("-c", "2")
    held = [farm.send("hold", f"one-{i}", str(farm.gate())) for i in range(2)]
    until(lambda: len(farm.lines("start")) == 2)
    worker.signal(signal.SIGUSR1)
    until(lambda: worker.text.count("in hold\n") >= 2, what="both tasks in the stacks")
    assert "in run_until_complete" in worker.text, "the supervisor's own"
    farm.gate().touch()
    assert [result.get(timeout=20) for result in held] == ["one-0", "one-1"]
    assert worker.stop() == 0
