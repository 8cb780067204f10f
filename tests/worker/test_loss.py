"""What becomes of tasks whose process is killed (G1, G3, G6)."""

import os
import signal
from collections.abc import Callable

import pytest

from tests.worker.fleet import Farm, until
from umbel.core.errors import WorkerLostError


def test_a_killed_process_costs_a_second_and_no_task(farm: Farm) -> None:
    worker = farm.worker("-c", "2")
    result = farm.send("hold", "h", str(farm.gate()))
    first = farm.started("h")
    os.kill(first.pid, signal.SIGKILL)
    second = farm.started("h", times=2)
    assert second.pid != first.pid
    assert second.at - first.at < 2, "the bound is 1 s; the rest is for a busy machine"
    farm.gate().touch()
    assert result.get(timeout=20) == "h"
    assert f"Process {first.pid} was lost while it ran tests.worker.subjects.hold[{result.id}]" in worker.text
    assert "killed by SIGKILL" in worker.text
    assert f"Task tests.worker.subjects.hold[{result.id}] runs again (loss 1 of 5)" in worker.text
    assert worker.stop() == 0


def test_an_early_acknowledged_task_fails_with_its_process(farm: Farm) -> None:
    farm.worker("-c", "1")
    result = farm.send("sleep_early", "e", 60)
    line = farm.started("e")
    os.kill(line.pid, signal.SIGKILL)
    with pytest.raises(WorkerLostError, match="SIGKILL"):
        result.get(timeout=20)
    assert len(farm.lines("start", "e")) == 1


def test_early_acknowledged_tasks_behind_it_are_run(farm: Farm) -> None:
    farm.worker("-c", "1")
    farm.send("sleep_early", "first", 60)
    behind = [farm.send("sleep_early", f"behind-{i}", 0) for i in range(5)]
    os.kill(farm.started("first").pid, signal.SIGKILL)
    assert [result.get(timeout=20) for result in behind] == [f"behind-{i}" for i in range(5)]


def test_a_task_that_always_kills_is_buried_after_five(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    warm = [farm.send("quick", i) for i in range(20)]
    assert [result.get(timeout=20) for result in warm] == list(range(20))
    with farm._app.bulk():
        poison = farm.send("die", "poison")
        beside = [farm.send("quick", f"beside-{i}") for i in range(64)]
    with pytest.raises(WorkerLostError):
        poison.get(timeout=30)
    assert len(farm.lines("start", "poison")) == 5
    for i, result in enumerate(beside):
        assert result.get(timeout=20) == f"beside-{i}"
        assert len(farm.lines("start", f"beside-{i}")) == 1
    assert "dead letter" in worker.text
    assert worker.text.count("(loss ") == 4, "nothing beside it counted a loss"
    assert worker.stop() == 0


def test_an_exit_code_is_told(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    result = farm.send("leave", 7)
    with pytest.raises(WorkerLostError, match="exit code 7"):
        result.get(timeout=30)
    assert "ended with exit code 7" in worker.text


def test_under_celerys_rule_a_late_task_is_not_run_again(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(task_reject_on_worker_lost=False)
    farm.worker("-c", "1")
    result = farm.send("die", "once")
    with pytest.raises(WorkerLostError):
        result.get(timeout=20)
    assert len(farm.lines("start", "once")) == 1


def test_the_fork_server_may_die(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    held = farm.send("hold", "h", str(farm.gate()))
    runner = farm.started("h").pid
    server = next(pid for pid in worker.descendants() if pid != runner)
    os.kill(server, signal.SIGKILL)
    os.kill(runner, signal.SIGKILL)
    assert farm.started("h", times=2).pid != runner
    farm.gate().touch()
    assert held.get(timeout=20) == "h"
    until(lambda: farm.send("add", 1, 2).get(timeout=20) == 3)
    assert worker.stop() == 0
