"""Every instruction of the second document, taken from it, executed, and its effect asserted.

It has no blocks: its settings stand in sentences, and are put into a module of settings and into options of tasks.
"""

import json
from typing import Any

import pytest

from tests.seeds.conftest import Documents
from tests.seeds.project import Project


@pytest.fixture
def run(work: Project) -> Any:
    """Executes a block beside the project's tasks."""
    work.console("from work import *")
    return work.console


def test_a_worker_waits_for_the_broker_it_is_told(work: Project, run: Any) -> None:
    assert run("answer = app.conf.broker_url") == work.redis.url(0)
    assert work.worker.text.index("cannot be reached") < work.worker.text.index("ready.")


def test_nothing_is_stored_without_a_result_backend(work: Project, run: Any) -> None:
    run("welcome.delay()")
    work.notes("welcome")
    assert run("answer = app.conf.result_backend") is None
    assert work.server(lambda server: server.keys("celery-task-meta-*")) == []


def test_a_pattern_routes_to_its_queue(work: Project, run: Any) -> None:
    run("welcome.delay()")
    assert work.notes("welcome")[0] == ["welcome", "email"]


def test_a_pool_of_greenlets_runs_many_tasks_at_once(work: Project, run: Any) -> None:
    run("for number in range(20): meet.delay(number)")
    assert len({line[2] for line in work.notes("arrived", count=20)}) == 1
    assert work.noted("left") == []
    (work.folder / "all-there").touch()
    work.notes("left", count=20)


def test_messages_are_json_and_nothing_else_is_read(work: Project, run: Any) -> None:
    block = "welcome.apply_async(queue='unread'); answer = [app.conf.accept_content, app.conf.task_serializer]"
    assert run(block) == [["json"], "json"]
    (raw,) = work.server(lambda server: server.lrange("unread", 0, -1))
    assert json.loads(raw)["content-type"] == "application/json"
    run("welcome.apply_async(serializer='pickle')")
    work.worker.says("application/x-python-serialize is not accepted")


def test_tasks_that_take_too_long_are_ended(work: Project, run: Any) -> None:
    run("tidy.delay(); endless.delay()")
    assert work.notes("tidied") == [["tidied"]]
    assert work.notes("failed", "work.endless") == [["failed", "work.endless", "TimeLimitExceeded"]]


def test_a_failing_task_is_tried_again(work: Project, run: Any) -> None:
    run("fetch.delay()")
    work.notes("fetched")
    assert len(work.noted("fetch")) == 2


def test_no_retry_waits_longer_than_the_cap_and_no_two_as_long(documents: Documents, work: Project, run: Any) -> None:
    ids = run("answer = [storm.apply_async(retries=12).id for _ in range(4)]")
    waits = [work.parked(id).seconds("eta") for id in ids]
    assert max(waits) <= 600 < 2**12
    assert len({round(wait, 2) for wait in waits}) > 1
    assert "600" in documents.text("retry_backoff_max to cap")
