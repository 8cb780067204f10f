"""Lane × what a task does × which limit: each cell with its expected end."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.fleet import Farm, until
from umbel.core.errors import SoftTimeLimitExceeded, TimeLimitExceeded

SOFT, HARD = "SoftTimeLimitExceeded", "TimeLimitExceeded"
RUNS_ON = "runs on"  # no limit that this lane has can end it

TABLE = {
    # (lane, task): (end under a soft limit, end under a hard limit)
    ("prefork", "endless_sleep"): (SOFT, HARD),
    ("prefork", "endless_loop"): (SOFT, HARD),
    ("prefork", "endless_await"): (SOFT, HARD),
    ("prefork", "endless_async_loop"): (SOFT, HARD),
    # Python looks at signals between bytecodes, and a C call has none: only a kill ends it.
    ("prefork", "endless_c"): (RUNS_ON, HARD),
    # SoftTimeLimitExceeded is an Exception, as Celery's is, and a task may catch it.
    ("prefork", "endless_catching"): (RUNS_ON, HARD),
    # A thread is struck between two bytecodes; a call that sleeps or computes in C has none until it returns.
    ("threads", "endless_sleep"): (RUNS_ON, HARD),
    ("threads", "endless_loop"): (SOFT, HARD),
    ("threads", "endless_await"): (SOFT, HARD),
    ("threads", "endless_async_loop"): (SOFT, HARD),
    ("threads", "endless_c"): (RUNS_ON, HARD),
    ("threads", "endless_catching"): (RUNS_ON, HARD),
    ("asyncio", "endless_sleep"): (RUNS_ON, HARD),
    ("asyncio", "endless_loop"): (SOFT, HARD),
    ("asyncio", "endless_await"): (SOFT, HARD),
    ("asyncio", "endless_async_loop"): (SOFT, HARD),
    ("asyncio", "endless_c"): (RUNS_ON, HARD),
    ("asyncio", "endless_catching"): (RUNS_ON, HARD),
    ("gevent", "endless_sleep"): (SOFT, HARD),
    ("gevent", "endless_loop"): (SOFT, HARD),
    ("gevent", "endless_await"): (SOFT, HARD),
    ("gevent", "endless_async_loop"): (RUNS_ON, HARD),
    ("gevent", "endless_c"): (RUNS_ON, HARD),
    ("gevent", "endless_catching"): (RUNS_ON, HARD),
    ("eventlet", "endless_sleep"): (SOFT, HARD),
    ("eventlet", "endless_loop"): (SOFT, HARD),
    ("eventlet", "endless_await"): (SOFT, HARD),
    ("eventlet", "endless_async_loop"): (RUNS_ON, HARD),
    ("eventlet", "endless_c"): (RUNS_ON, HARD),
    ("eventlet", "endless_catching"): (RUNS_ON, HARD),
    ("solo", "endless_sleep"): (SOFT, RUNS_ON),
    ("solo", "endless_loop"): (SOFT, RUNS_ON),
    ("solo", "endless_await"): (SOFT, RUNS_ON),
    ("solo", "endless_async_loop"): (SOFT, RUNS_ON),
    ("solo", "endless_c"): (RUNS_ON, RUNS_ON),
    ("solo", "endless_catching"): (RUNS_ON, RUNS_ON),
}
CELLS = [pytest.param(lane, task, *ends, id=f"{lane}-{task}") for (lane, task), ends in TABLE.items()]


@pytest.mark.parametrize(("lane", "task", "soft", "hard"), CELLS)
def test_cell(farm: Farm, lane: str, task: str, soft: str, hard: str) -> None:
    worker = farm.worker("-c", "1", "-P", lane)
    ends = {"soft_time_limit": soft, "time_limit": hard}
    for limit, end in ends.items():
        if end != RUNS_ON:
            with pytest.raises(SoftTimeLimitExceeded if end == SOFT else TimeLimitExceeded):
                farm.send(task, limit, **{limit: 0.2}).get(timeout=20)
            assert farm.send("add", 2, 2).get(timeout=20) == 4, "the lane goes on"
            assert len(farm.lines("start", limit)) == 1
    if not (useless := {limit: 0.2 for limit, end in ends.items() if end == RUNS_ON}):
        assert worker.stop() == 0
        return
    result = farm.send(task, "runs-on", **useless)
    farm.started("runs-on")
    if task == "endless_catching" and "soft_time_limit" in useless:
        until(lambda: farm.lines("caught", "runs-on"))
    assert not _ready_within(result, 1.0)


def _ready_within(result: Any, seconds: float) -> bool:
    """Whether a result comes although it must not: the one kind of fact that only time can show."""
    end = time.monotonic() + seconds  # noqa: TID251
    while time.monotonic() < end:  # noqa: TID251
        if result.ready():
            return True
        time.sleep(0.02)  # noqa: TID251
    return False


def test_a_coroutine_can_catch_its_soft_limit(farm: Farm) -> None:
    farm.worker("-c", "1")
    assert farm.send("catches_soft", soft_time_limit=0.2).get(timeout=20) == SOFT
    assert farm.send("catches_soft", soft_time_limit=0.2).get(timeout=20) == SOFT


def test_many_tight_races_with_the_alarm_harm_nothing(farm: Farm) -> None:
    """Tasks that end just when their soft limit strikes: either end is right, and none reaches the lane's own code."""
    worker = farm.worker("-c", "2")
    with farm._app.bulk():
        results = [farm.send("sleep", f"race-{i}", 0.002, soft_time_limit=0.0022) for i in range(400)]
    ends = set()
    for result in results:
        try:
            ends.add(result.get(timeout=30)[:4])
        except SoftTimeLimitExceeded:
            ends.add(SOFT)
    assert ends <= {"race", SOFT}
    assert "error in Umbel itself" not in worker.text
    assert "was lost" not in worker.text


def test_bystanders_of_a_limit_kill_count_no_loss(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    for i in range(200):
        farm.send("quick", f"warm-{i}")
    farm.started("warm-199")
    with farm._app.bulk():
        slow = farm.send("endless_sleep", "slow", time_limit=0.05)
        beside = [farm.send("quick", f"b{i}") for i in range(64)]
    with pytest.raises(TimeLimitExceeded):
        slow.get(timeout=20)
    assert [result.get(timeout=20) for result in beside] == [f"b{i}" for i in range(64)]
    assert "(loss" not in worker.text


def test_limits_of_settings_and_options(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(task_time_limit=0.3)
    farm.worker("-c", "1")
    with pytest.raises(TimeLimitExceeded):
        farm.send("endless_sleep").get(timeout=20)
    farm.worker("-c", "1", "-Q", "other", "--soft-time-limit", "0.2")
    with pytest.raises(SoftTimeLimitExceeded):
        farm.send("endless_sleep", time_limit=30, queue="other").get(timeout=20)
