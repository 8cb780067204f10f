"""Tasks, hooks and signal receivers that do what they should not: each costs its own task at most."""

import signal
from typing import Any

import pytest

from tests.worker.fleet import Farm, until
from tests.worker.subjects import LONG_NAME
from umbel.core.errors import SoftTimeLimitExceeded, WorkerLostError

RETURNS: dict[str, object] = {
    "returns_megabytes": "x" * 5_000_000,
    "closes_its_output": "closed",
    "reads_its_input": "",
    "signals_its_group": "alive",
    "terminates_a_program": -signal.SIGTERM,
    "terminates_a_child": -signal.SIGTERM,
    "forks_and_exits": 7,
    "publishes_from_a_child": 0,
    "publishes_from_a_thread": "published",
    "publishes_in_a_loop_of_its_own": "published",
    "leaves_a_thread": "left",
}
RAISES = {
    "raises_unprintable": "Unprintable",
    "raises_unencodable": "ValueError",
    "raises_its_own_cause": "ValueError",
    "raises_base": "GeneratorExit",
    "recurses": "RecursionError",
    "returns_itself": "EncodeError",
    "returns_unprintable": "EncodeError",
}


@pytest.mark.parametrize("environment", [{}, {"SUBJECT_THREAD": "1"}], ids=["forked", "new interpreters"])
def test_manners(farm: Farm, environment: dict[str, str]) -> None:
    farm.environment |= environment
    worker = farm.worker("-c", "1")
    for how, expected in RETURNS.items():
        assert farm.send("bad_manners", how).get(timeout=30) == expected, how
    for how, kind in RAISES.items():
        error = farm.send("bad_manners", how).get(timeout=30, propagate=False)
        assert type(error).__name__ == kind, how
    until(lambda: len(farm.lines("start", "from")) == 3, what="those published from a child, a thread and a loop")
    assert "was lost" not in worker.text
    assert "Umbel itself" not in worker.text
    assert worker.stop() == 0


def test_a_task_that_closes_everything_is_buried_and_the_worker_goes_on(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    broken = farm.send("closes_everything")
    with pytest.raises(WorkerLostError):
        broken.get(timeout=60)
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    assert len(farm.lines("start", "closes_everything")) == 5
    assert worker.stop() == 0


def test_a_soft_limit_strikes_once_and_leaves_time_to_clean_up(farm: Farm) -> None:
    farm.worker("-c", "1")
    assert farm.send("cleans_up").get(timeout=20) == "SoftTimeLimitExceeded"
    assert len(farm.lines("cleaned")) == 1


def test_hooks_have_limits_and_end_nothing(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    with pytest.raises(SoftTimeLimitExceeded):
        farm.send("rude", "before_start sleeps").get(timeout=20)
    for how in ("on_success sleeps", "on_success exits"):
        assert farm.send("rude", how).get(timeout=20) == how
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    assert "on_success handler raised: SoftTimeLimitExceeded" in worker.text
    assert "on_success handler raised: SystemExit: 5" in worker.text
    assert worker.stop() == 0


def test_a_child_that_comes_back_runs_no_hook(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    assert farm.send("rude", "forks").get(timeout=20) > 0
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    assert len(farm.lines("hook", "forks")) == 1
    assert worker.stop() == 0


@pytest.mark.parametrize("kind", ["raises", "exits"])
def test_receivers_end_nothing(farm: Farm, kind: str) -> None:
    farm.environment["SUBJECT_RECEIVERS"] = kind
    worker = farm.worker("-c", "1")
    first: Any = farm.send("add", 2, 2).get(timeout=20, propagate=False)
    assert first == 4 if kind == "raises" else isinstance(first, SystemExit)
    farm.send("add", 2, 2).get(timeout=20, propagate=False)
    assert "was lost" not in worker.text
    assert worker.stop() == 0


def test_names_and_ids_longer_than_the_board(farm: Farm) -> None:
    farm.worker("-c", "1")
    assert farm._app.send_task(LONG_NAME, task_id="й" * 300).get(timeout=20) == "long"


@pytest.mark.parametrize("kind", ["dies", "exits"])
def test_processes_that_die_at_birth_end_the_worker(farm: Farm, kind: str) -> None:
    farm.environment["SUBJECT_INIT"] = kind
    worker = farm.worker("-c", "2", ready=False)
    assert worker.wait() == 1
    assert "Processes die before they are ready, 3 times in a row: the worker ends" in worker.text


def test_a_process_that_hangs_at_birth_does_not_keep_the_worker(farm_with: Any) -> None:
    farm = farm_with(worker_shutdown_timeout=0.2)
    farm.environment["SUBJECT_INIT"] = "hangs"
    worker = farm.worker("-c", "1", ready=False)
    until(lambda: farm.lines("init", "hangs"))
    worker.signal(signal.SIGTERM)
    assert worker.wait(10) == 0


def test_a_receiver_that_hangs_does_not_keep_the_worker(farm: Farm) -> None:
    farm.environment["SUBJECT_READY"] = "hangs"
    worker = farm.worker("-c", "1")
    until(lambda: farm.lines("init", "hangs"))
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    worker.signal(signal.SIGTERM)
    assert worker.wait(15) == 0
