"""Read-ahead and hand-back: a short task never waits behind a long one while another process is free."""

from collections.abc import Callable

import pytest

from tests.worker.fleet import Farm, until


def warm_up(farm: Farm) -> None:
    """Let the processes learn that quick tasks are quick, so that they hold many."""
    with farm._app.bulk():
        results = [farm.send("quick", f"warm-{i}") for i in range(300)]
    for result in results:
        result.get(timeout=20)


@pytest.mark.parametrize(("task", "argument"), [("hold", None), ("c_for_seconds", 28)], ids=["waits", "holds the lock"])
def test_quick_tasks_pass_a_slow_one(farm: Farm, task: str, argument: int | None) -> None:
    farm.worker("-c", "2")
    warm_up(farm)
    with farm._app.bulk():
        slow = farm.send(task, "slow", argument or str(farm.gate()))
        quick = [farm.send("quick", f"q{i}") for i in range(20)]
    farm.started("slow")
    for result in quick:
        result.get(timeout=20)
    starts = [farm.lines("start", f"q{i}")[0] for i in range(20)]
    slow_start = farm.lines("start", "slow")[0]
    assert not farm.lines("end", "slow"), "the slow one was to be slow"
    assert max(line.at for line in starts) - slow_start.at < 2, "the bound is 1 s; the rest is for a busy machine"
    assert all(line.pid != slow_start.pid or line.at < slow_start.at for line in starts)
    farm.gate().touch()
    assert slow.get(timeout=60) in ("slow", None)
    assert [len(farm.lines("start", f"q{i}")) for i in range(20)] == [1] * 20


def test_results_of_quick_tasks_do_not_wait_for_the_slow_one_behind(farm: Farm) -> None:
    farm.worker("-c", "1")
    warm_up(farm)
    with farm._app.bulk():
        quick = [farm.send("quick", f"q{i}") for i in range(5)]
        farm.send("hold", "slow", str(farm.gate()))
    farm.started("slow")
    for result in quick:
        until(result.ready, 10)
    assert not farm.lines("end", "slow")
    farm.gate().touch()


def test_results_do_not_wait_for_a_task_that_is_known_to_be_slow(farm: Farm) -> None:
    farm.worker("-c", "1")
    warm_up(farm)
    farm.send("sleep", "known", 0.05).get(timeout=20)
    with farm._app.bulk():
        quick = [farm.send("quick", f"q{i}") for i in range(5)]
        farm.send("sleep", "slow", 5)
    farm.started("slow")
    for result in quick:
        until(result.ready, 4)
    assert not farm.lines("end", "slow")


def test_a_prefetch_of_one_holds_one(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(worker_prefetch_multiplier=1)
    farm.worker("-c", "1")
    for i in range(50):
        farm.send("quick", i)
    farm.send("hold", "slow", str(farm.gate()))
    for i in range(50, 60):
        farm.send("quick", i)
    farm.started("slow")
    until(lambda: (farm.depth().ready, farm.depth().claimed) == (10, 1), 10)
    farm.gate().touch()
    farm.started(59)
