"""Who is busy, who is stuck, and what a probe is told."""

from typing import Any

import pytest

from umbel.core.delivery import ConsumerId
from umbel.core.vitals import Doing, ProcessVitals, Signs, State, WorkerVitals, state_of, verdict, worst

LEASE = 30.0
TASK = Doing("tasks.nap", "1", 400.0)


def signs(**given: Any) -> Signs:
    return Signs(
        **{
            "ready": True,
            "stopping": False,
            "halted": False,
            "beat": 0.1,
            "awake": 900.0,
            "reached": 1.0,
            "running": [],
            **given,
        }
    )


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        (signs(ready=False, beat=100.0), "starting"),
        (signs(), "idle"),
        (signs(running=[TASK]), "running"),
        (signs(stopping=True, running=[TASK]), "stopping"),
        (signs(beat=14.0), "idle"),
        (signs(beat=16.0), "stuck"),
        (signs(beat=16.0, stopping=True), "stuck"),
        (signs(beat=400.0, running=[TASK]), "busy"),
        (signs(beat=16.0, halted=True, running=[TASK]), "stuck"),
        (signs(beat=1.0, halted=True), "idle"),
        (signs(running=[Doing("t", "1", 64.0, None, 60.0)]), "running"),
        (signs(running=[Doing("t", "1", 66.0, None, 60.0)]), "stuck"),
        (signs(reached=31.0), "stuck"),
        (signs(reached=31.0, running=[TASK]), "stuck"),
        (signs(reached=31.0, awake=2.0), "idle"),
        (signs(reached=None), "idle"),
    ],
)
def test_the_state_of_a_process(shown: Signs, state: State) -> None:
    found, why = state_of(shown, lease=LEASE, clocked=True, supervisor_reached=1.0)
    assert found == state
    assert bool(why) == (state in ("stuck", "busy"))


def test_a_broker_that_nobody_reaches_is_no_fault_of_a_process() -> None:
    for supervisor in (31.0, None):
        found, why = state_of(signs(reached=31.0), lease=LEASE, clocked=True, supervisor_reached=supervisor)
        assert (found, why) == ("cut off", "has not reached the broker for 31 s")


def test_where_locks_tell_who_lives_a_busy_process_needs_no_broker() -> None:
    assert (
        state_of(signs(reached=900.0, running=[TASK]), lease=LEASE, clocked=False, supervisor_reached=1.0)[0]
        == "running"
    )


def worker(*states: State, stopping: bool = False) -> WorkerVitals:
    processes = [
        ProcessVitals(ConsumerId(str(at)), f"Process-{at}", 70 + at, state, f"it is {state}")
        for at, state in enumerate(states, 1)
    ]
    return WorkerVitals("celery@a", stopping=stopping, processes=processes)


@pytest.mark.parametrize(
    ("one", "well", "ready"),
    [
        (worker("idle", "running", "idle"), True, True),
        (worker("busy"), True, True),
        (worker("starting"), True, False),
        (worker(), True, False),
        (worker("idle", "cut off"), True, False),
        (worker("stopping", stopping=True), True, False),
        (worker("idle", "stuck"), False, False),
    ],
)
def test_what_a_probe_is_told(one: WorkerVitals, well: bool, ready: bool) -> None:
    assert verdict(one)[0] is well
    assert verdict(one, ready=True)[0] is ready


def test_the_line_of_a_probe() -> None:
    assert verdict(worker("idle", "running", "idle"))[1] == "celery@a: 2 idle, 1 running"
    assert verdict(worker("idle", "stuck"))[1] == "celery@a: Process-2 (pid 72) is stuck: it is stuck"
    assert (
        verdict(worker("starting"), ready=True)[1]
        == "celery@a takes no tasks now: Process-1 is starting: it is starting"
    )


def test_the_worst_process_stands_for_its_worker() -> None:
    assert worst(worker("idle", "running")) == "running"
    assert worst(worker("cut off", "stuck")) == "stuck"
    assert worst(worker()) == "starting"
