"""What an attempt leaves for the next: checkpoints, effects that are had once, and the word that it should stop."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worker.fleet import Farm, until
from umbel.core.errors import TimeLimitExceeded

PLACES = [
    ("prefork", "counts_on"),
    ("threads", "counts_on_async"),
    ("asyncio", "counts_on_async"),
    ("gevent", "counts_on"),
]


@pytest.mark.parametrize(("lane", "task"), [*PLACES, ("asyncio", "counts_on")])
def test_the_next_attempt_goes_on_from_the_checkpoint(farm: Farm, lane: str, task: str) -> None:
    farm.worker("-P", lane, "-c", "1")
    state = {"done": 3}
    for how in ("die", "retry"):
        assert farm.send(task, how, how).get(timeout=30) == [state, state, False]
        assert len(farm.lines("start", how)) == 2
        assert len(farm.lines("effect", how)) == 1


@pytest.mark.parametrize(("lane", "task"), [*PLACES, ("eventlet", "counts_on"), ("solo", "counts_on")])
def test_a_long_task_hears_that_it_should_stop_and_goes_on_elsewhere(farm: Farm, lane: str, task: str) -> None:
    worker = farm.worker("-P", lane, "-c", "1")
    result = farm.send(task, "key", "stop")
    until(lambda: farm.lines("saved", "key"))
    assert not farm.lines("told", "key")
    assert worker.stop() == 0
    assert farm.lines("told", "key")
    farm.worker("-P", lane, "-c", "1")
    assert result.get(timeout=30)[0] == {"done": 3}
    assert len(farm.lines("effect", "key")) == 1


@pytest.mark.parametrize("lane", ["prefork", "threads", "solo"])
def test_one_that_does_not_listen_goes_on_from_its_checkpoint_all_the_same(
    farm_with: Callable[..., Farm], tmp_path: Path, lane: str
) -> None:
    """Handed back when the time is over; its results are on another server."""
    farm = farm_with(worker_shutdown_timeout=0.3, backend=f"sqlite:///{tmp_path / 'results.db'}")
    worker = farm.worker("-P", lane, "-c", "1")
    result = farm.send("counts_on", "key", "deaf")
    until(lambda: farm.lines("saved", "key"))
    assert worker.stop() == 0
    farm.worker("-c", "1")
    assert result.get(timeout=30)[0] == {"done": 3}
    assert len(farm.lines("effect", "key")) == 1


def test_an_effect_that_failed_is_tried_again(farm: Farm) -> None:
    farm.worker("-c", "1")
    assert farm.send("fails_in_once", "key").get(timeout=20) == 1
    assert len(farm.lines("effect", "key", True)) == 2


def test_an_attempt_that_is_over_keeps_nothing(farm: Farm) -> None:
    """Its code runs on after its hard limit; what it saves then would be news to nobody."""
    farm.worker("-P", "threads", "-c", "2")
    result = farm.send("saves_when_let", "late", str(farm.gate()), time_limit=0.3)
    with pytest.raises(TimeLimitExceeded):
        result.get(timeout=20)
    farm.gate().touch()
    until(lambda: farm.lines("fenced", "late"))
    assert farm._app.AsyncResult(f"{result.id}:checkpoint:").state == "PENDING"
