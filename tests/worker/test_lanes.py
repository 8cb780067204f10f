"""What lanes with many places add: tasks side by side, in one process, each still by the rules of one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.fleet import Farm, until
from umbel.core.errors import TaskRevokedError, TimeLimitExceeded, WorkerLostError

WIDE = ("threads", "asyncio", "gevent", "eventlet")


@pytest.fixture(params=WIDE)
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_many_run_at_once_in_one_process(farm: Farm, lane: str) -> None:
    """None of them ends before all have started."""
    farm.worker("-P", lane, "-c", "30")
    gate = str(farm.gate())
    with farm._app.bulk():
        results = [farm.send("hold_async" if i % 2 else "hold", f"one-{i}", gate) for i in range(30)]
    until(lambda: len(farm.lines("start")) == 30, what="all started")
    assert not farm.lines("end")
    farm.gate().touch()
    assert sorted(result.get(timeout=20) for result in results) == sorted(f"one-{i}" for i in range(30))
    assert len({line.pid for line in farm.lines("start")}) == 1


def test_computing_in_one_worker_does_not_keep_another_from_waiting(farm: Farm) -> None:
    """Two queues, each with the lane that suits it: all that waits is over while what computes still runs."""
    farm.worker("-Q", "cpu", "-P", "prefork", "-c", "1")
    farm.worker("-Q", "io", "-P", "gevent", "-c", "200")
    gate = farm.gate()
    computing = [farm.send("compute", f"cpu-{i}", str(gate), queue="cpu") for i in range(2)]
    farm.started("cpu-0")
    with farm._app.bulk():
        waiting = [farm.send("sleep", f"io-{i}", 0.1, queue="io") for i in range(300)]
    assert [result.get(timeout=30) for result in waiting] == [f"io-{i}" for i in range(300)]
    assert not farm.lines("end", "cpu-0")
    gate.touch()
    assert [result.get(timeout=20) for result in computing] == ["cpu-0", "cpu-1"]
    assert len(farm.lines("end")) == 302


def test_processes_multiply_the_places(farm: Farm, lane: str) -> None:
    farm.worker("-P", lane, "-c", "2", "--processes", "2")
    gate = str(farm.gate())
    for i in range(5):
        farm.send("hold", f"one-{i}", gate)
    until(lambda: len(farm.lines("start")) == 4, what="four places")
    assert len({line.pid for line in farm.lines("start")}) == 2
    farm.gate().touch()
    until(lambda: len(farm.lines("end")) == 5)
    assert len(farm.lines("start")) == 5


def test_each_task_has_a_context_of_its_own(farm: Farm, lane: str) -> None:
    farm.worker("-P", lane, "-c", "4")
    results = [farm.send("whose_context", i) for i in range(40)]
    assert [result.get(timeout=20) for result in results] == [[i, result.id] for i, result in enumerate(results)]


def test_what_a_task_publishes_and_retries_leaves_from_every_place(farm: Farm, lane: str) -> None:
    farm.worker("-P", lane, "-c", "8")
    assert farm.send("calls", "sync").get(timeout=20) == "sync"
    assert farm.send("calls_async", "async").get(timeout=20) == "async"
    assert farm.send("flaky", "again", 2).get(timeout=20) == 2
    until(lambda: len(farm.lines("start", "sync-child")) == 1 and len(farm.lines("start", "async-child")) == 1)
    until(lambda: all(farm.lines("start", f"sync-bulk-{i}") for i in range(3)))


def test_a_coroutine_may_publish_and_store_without_awaiting(farm: Farm, lane: str) -> None:
    farm.worker("-P", lane, "-c", "4")
    child = farm.send("speaks_without_awaiting", 1).get(timeout=20)
    assert farm._app.AsyncResult(child).get(timeout=20) == 2


def test_what_ran_beside_a_killed_process_runs_again_and_only_that(farm: Farm, lane: str) -> None:
    farm.worker("-P", lane, "-c", "3")
    gate = str(farm.gate())
    results = [farm.send("hold", f"one-{i}", gate) for i in range(5)]
    until(lambda: len(farm.lines("start")) == 3, what="three places")
    farm.gate().touch()
    os.kill(farm.lines("start")[0].pid, signal.SIGKILL)
    assert [result.get(timeout=30) for result in results] == [f"one-{i}" for i in range(5)]
    assert {len(farm.lines("start", f"one-{i}")) for i in range(5)} <= {1, 2}


def test_early_acknowledged_tasks_of_a_killed_process_do_not_run_again(farm: Farm, lane: str) -> None:
    farm.worker("-P", lane, "-c", "4")
    results = [farm.send("sleep_early", f"early-{i}", 60) for i in range(4)]
    until(lambda: len(farm.lines("start")) == 4)
    os.kill(farm.lines("start")[0].pid, signal.SIGKILL)
    for result in results:
        with pytest.raises(WorkerLostError):
            result.get(timeout=20)
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    assert len(farm.lines("start")) == 4


def test_a_poison_task_takes_no_other_along_twice(farm_with: Callable[..., Farm], lane: str) -> None:
    """After the first loss everything that may have been the cause runs alone."""
    farm = farm_with(task_max_deliveries=3)
    farm.worker("-P", lane, "-c", "4")
    gate = str(farm.gate())
    bystanders = [farm.send("hold", f"by-{i}", gate) for i in range(3)]
    until(lambda: len(farm.lines("start")) == 3)
    poison = farm.send("die", "poison")
    farm.started("poison")
    farm.gate().touch()
    with pytest.raises(WorkerLostError):
        poison.get(timeout=30)
    assert [result.get(timeout=30) for result in bystanders] == ["by-0", "by-1", "by-2"]
    assert len(farm.lines("start", "poison")) == 3
    assert max(len(farm.lines("start", f"by-{i}")) for i in range(3)) <= 2


def test_a_worker_that_stops_lets_all_places_finish(farm: Farm, lane: str) -> None:
    worker = farm.worker("-P", lane, "-c", "3")
    gate = str(farm.gate())
    results = [farm.send("hold", f"one-{i}", gate) for i in range(6)]
    until(lambda: len(farm.lines("start")) == 3)
    worker.signal(signal.SIGTERM)
    until(lambda: "Stopping: claims no more" in worker.text, what="the process itself, not only its supervisor")
    farm.gate().touch()
    assert worker.wait() == 0
    assert sum(result.ready() for result in results) == 3
    assert (farm.depth().ready, farm.depth().claimed) == (3, 0)


def test_what_does_not_finish_in_time_is_handed_back(farm_with: Callable[..., Farm], lane: str) -> None:
    farm = farm_with(worker_shutdown_timeout=0.5)
    worker = farm.worker("-P", lane, "-c", "3")
    for i in range(3):
        farm.send("hold", f"one-{i}", str(farm.gate()))
    until(lambda: len(farm.lines("start")) == 3)
    assert worker.stop() == 0
    assert (farm.depth().ready, farm.depth().claimed) == (3, 0)


@pytest.mark.parametrize("task", ["endless_sleep", "endless_loop", "endless_await"])
def test_a_revoked_task_ends_and_what_runs_beside_it_goes_on(farm: Farm, lane: str, task: str) -> None:
    """One that lets nothing else run is ended with its process, and then what ran beside it runs again."""
    worker = farm.worker("-P", lane, "-c", "2")
    beside = farm.send("hold", "beside", str(farm.gate()))
    farm.started("beside")
    revoked = farm.send(task, "revoked")
    farm.started("revoked")
    revoked.revoke(terminate=True)
    with pytest.raises(TaskRevokedError, match="terminated"):
        revoked.get(timeout=20)
    assert revoked.state == "REVOKED"
    assert farm.send("add", 2, 2).get(timeout=20) == 4, "its place is free"
    farm.gate().touch()
    assert beside.get(timeout=20) == "beside"
    assert len(farm.lines("start", "revoked")) == 1
    blocks = task == "endless_loop" and lane in ("gevent", "eventlet")
    assert len(farm.lines("start", "beside")) == (2 if blocks else 1)
    assert "because it is revoked" in worker.text
    assert worker.stop() == 0


def test_a_revoked_coroutine_cleans_up(farm: Farm) -> None:
    farm.worker("-P", "asyncio", "-c", "2")
    revoked = farm.send("notes_its_cancellation", "clean")
    farm.started("clean")
    farm._app.control.revoke([revoked.id], terminate=True)
    until(lambda: farm.lines("cancelled", "clean"))
    with pytest.raises(TaskRevokedError, match="terminated"):
        revoked.get(timeout=20)


@pytest.mark.parametrize("pool", ["threads", "asyncio"])
def test_abandoned_threads_give_way_to_a_fresh_process(farm: Farm, pool: str) -> None:
    farm.worker("-P", pool, "-c", "2")
    first = farm.send("whose_process").get(timeout=20)
    for i in range(3):
        with pytest.raises(TimeLimitExceeded):
            farm.send("endless_catching", f"endless-{i}", time_limit=0.2).get(timeout=20)
    until(lambda: farm.send("whose_process").get(timeout=20) != first, what="another process")


def test_who_blocks_the_loop_is_named_with_its_stack_and_the_others_keep_their_limits(farm: Farm) -> None:
    worker = farm.worker("-P", "asyncio", "-c", "4")
    waiting = farm.send("endless_await", "waiting", time_limit=1.0)
    farm.started("waiting")
    blocking = farm.send("blocks_its_loop", "blocking", 3.0)
    farm.started("blocking")
    with pytest.raises(TimeLimitExceeded):
        waiting.get(timeout=20)
    assert not farm.lines("end", "blocking"), "the limit held while the loop was blocked"
    assert blocking.get(timeout=20) == "blocking"
    assert "blocks_its_loop" in worker.text
    assert "has let nothing else run for" in worker.text
    assert "in blocks_its_loop" in worker.text, "the stack shows the line"


def test_a_coroutine_that_exits_ends_for_itself_alone(farm: Farm, lane: str) -> None:
    """asyncio lets SystemExit out of the whole loop, on which others may run."""
    farm.worker("-P", lane, "-c", "4")
    first = farm.send("whose_process").get(timeout=20)
    beside = farm.send("hold_async", "beside", str(farm.gate()))
    farm.started("beside")
    with pytest.raises(SystemExit):
        farm.send("exits_while_awaiting").get(timeout=20)
    farm.gate().touch()
    assert beside.get(timeout=20) == "beside"
    assert farm.send("whose_process").get(timeout=20) == first


@pytest.mark.parametrize("pool", ["asyncio", "gevent", "eventlet"])
def test_what_a_coroutine_left_behind_cannot_end_the_loop(farm: Farm, pool: str) -> None:
    """A loop that is shared goes on, and so does the task itself."""
    farm.worker("-P", pool, "-c", "4")
    first = farm.send("whose_process").get(timeout=20)
    beside = farm.send("hold_async", "beside", str(farm.gate()))
    farm.started("beside")
    assert farm.send("leaves_an_exit_behind", "behind").get(timeout=20) == "behind"
    farm.gate().touch()
    assert beside.get(timeout=20) == "beside"
    assert farm.send("whose_process").get(timeout=20) == first


@pytest.mark.parametrize("pool", ["prefork", *WIDE])
def test_a_process_is_replaced_after_so_many_tasks(farm: Farm, pool: str) -> None:
    worker = farm.worker("-P", pool, "-c", "1", "--max-tasks-per-child", "3")
    pids: list[Any] = [farm.send("whose_process").get(timeout=20) for _ in range(9)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3]
    assert worker.stop() == 0


def test_a_process_that_has_grown_is_replaced(farm: Farm) -> None:
    farm.worker("-c", "1", "--max-memory-per-child", str(120 * 1024))
    first = farm.send("whose_process").get(timeout=20)
    assert farm.send("whose_process").get(timeout=20) == first
    farm.send("grows", 200).get(timeout=20)
    assert farm.send("whose_process").get(timeout=20) != first


@pytest.mark.parametrize(("pool", "method"), [("prefork", "spawn"), ("prefork", "fork"), ("threads", "spawn")])
def test_processes_can_be_started_in_each_way(farm: Farm, pool: str, method: str) -> None:
    farm.worker("-P", pool, "-c", "1", "--pool-start-method", method)
    assert farm.send("add", 2, 2).get(timeout=20) == 4


def test_a_lane_whose_library_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from umbel.core.errors import ImproperlyConfigured  # noqa: PLC0415
    from umbel.worker import plan  # noqa: PLC0415

    monkeypatch.setattr(plan, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"pip install 'umbel\[gevent\]'"):
        plan.chosen_pool("gevent")


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_what_was_loaded_before_patching_is_named(pool: str) -> None:
    code = (
        "import pluggy, socket, umbel.worker.spawned, umbel.worker.patching; "
        f"umbel.worker.patching.patch({pool!r}); print(socket.socket.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"Loaded before {pool} could patch Python, and so perhaps blocking: pluggy." in done.stderr
    assert pool in done.stdout
