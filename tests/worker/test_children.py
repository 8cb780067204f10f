"""Tasks may start children and loops of their own; what they start shares nothing with the worker."""

import pytest

from tests.worker.fleet import Farm


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("forks", lambda i: i % 7),
        ("starts_a_process", lambda i: i % 7),
        ("runs_a_program", lambda i: 0),
        ("runs_a_loop", lambda i: 2 * i),
    ],
)
def test_a_thousand(farm: Farm, task: str, expected: object) -> None:
    worker = farm.worker("-c", "2")
    count = 1000 if task != "starts_a_process" else 300
    with farm._app.bulk():
        results = [farm.send(task, i) for i in range(count)]
    assert [result.get(timeout=60) for result in results] == [expected(i) for i in range(count)]  # type: ignore[operator]
    assert "was lost" not in worker.text
    assert worker.stop() == 0


def test_a_child_that_comes_back_settles_nothing(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    result = farm.send("forks_and_forgets")
    assert result.get(timeout=20) > 0, "the parent's answer, not the child's"
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    assert worker.stop() == 0


def test_a_forked_child_does_not_keep_its_dead_worker_alive(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    assert [farm.send("forks", i).get(timeout=20) for i in range(10)] == [i % 7 for i in range(10)]
    assert worker.stop() == 0
