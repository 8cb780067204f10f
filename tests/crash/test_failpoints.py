"""Failpoints: each step is reached by ordinary work, strikes once, and is written down before it does."""

from collections.abc import Callable

import pytest

from tests.worker.fleet import Farm, until
from tests.worker.workflows import chord, send, sig
from umbel.testing.failpoints import POINTS, arm
from umbel.worker.runner import Runner

FIRST = [point for point in POINTS if point != "rescued"]


@pytest.mark.slow
def test_a_process_is_struck_at_every_step_and_nothing_is_lost(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(worker_lease=1, task_max_deliveries=50)
    tokens = [arm(farm.failpoints, point) for point in FIRST]
    results = [farm.send("quick", n) for n in range(30)]
    results += [farm.send("quick", f"later-{n}", countdown=0.3) for n in range(20)]
    for n in range(5):
        farm.send("rejected")
        farm.send("limited", n)  # over its rate, it is parked
    chords = [send(farm, chord([sig("add", n, 1), sig("add", n, 2)], sig("listed"))) for n in range(10)]
    worker = farm.worker("-c", "6")  # who dies young is replaced late
    until(lambda: not any(token.exists() for token in tokens), 40, what=f"all are struck; {tokens}; {farm.said()}")
    rescued = arm(farm.failpoints, "rescued")
    arm(farm.failpoints, "started")
    results += [farm.send("quick", f"last-{n}") for n in range(5)]
    assert worker.wait() == -9, "taking claims over is the supervisor's work"
    assert not rescued.exists()
    farm.worker("-c", "2")
    assert [result.get(timeout=20) for result in results]
    assert [one.value() for one in chords] == [[[n + 1, n + 2]] for n in range(10)]
    assert {line.words[1].removeprefix("failpoint-") for line in farm.lines("fault")} == set(POINTS)


def test_without_the_variable_nothing_is_wrapped() -> None:
    import tests.worker.subjects  # noqa: F401, PLC0415  its application calls install

    assert not hasattr(Runner.start, "__wrapped__")


def test_a_name_that_is_none_is_refused(farm: Farm) -> None:
    with pytest.raises(ValueError, match="there is no failpoint 'clamed'; there is claimed"):
        arm(farm.failpoints, "clamed")
