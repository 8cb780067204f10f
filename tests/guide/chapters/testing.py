"""The chapter about tests: run by pytest, with the fixtures of Celery's plugin."""

from unittest.mock import patch

import pytest
from celery.exceptions import Retry
from chapters import next_steps


@pytest.fixture
def celery_config():
    return {"task_default_priority": 4, "result_expires": 60}


@pytest.fixture
def celery_includes():
    return ["chapters.next_steps"]


def test_a_task_is_a_function():
    assert next_steps.add(2, 3) == 5
    assert next_steps.add.run(2, 3) == 5


def test_a_retry_is_asked_for():
    with patch.object(next_steps.stubborn, "retry", side_effect=Retry()) as retry, pytest.raises(Retry):
        next_steps.stubborn(1)
    assert isinstance(retry.call_args.kwargs["exc"], KeyError)


def test_a_worker_beside_the_test(celery_app, celery_worker):
    @celery_app.task
    def square(x):
        return x * x

    celery_worker.reload()
    assert square.delay(4).get(timeout=10) == 16


def test_settings_of_the_fixture(celery_app):
    assert celery_app.conf.task_default_priority == 4


@pytest.mark.celery(task_default_queue="marked")
def test_settings_of_the_mark(celery_app):
    assert celery_app.conf.task_default_queue == "marked"


def test_eager(celery_app):
    @celery_app.task(bind=True)
    def halves(self, x):
        return x / 2, self.request.is_eager

    celery_app.conf.task_always_eager = True
    assert halves.delay(3).get() == (1.5, True)
    assert halves.delay("3").failed()


def test_a_body_under_a_request_of_the_test():
    next_steps.stubborn.push_request(
        id="an-id", retries=5, headers={"colour": "red"}, delivery_info={"routing_key": "x"}
    )
    try:
        assert next_steps.stubborn.run(5) == "after 5"
        about = next_steps.stubborn.request
        assert (about.id, about.headers, about.delivery_info["routing_key"]) == ("an-id", {"colour": "red"}, "x")
        assert next_steps.stubborn.request_stack.top is about
    finally:
        next_steps.stubborn.pop_request()
    assert next_steps.stubborn.request.id is None


def test_tasks_made_by_class(celery_app):
    class Cube(celery_app.Task):
        name = "cube"

        def run(self, x):
            return x**3

    class Named(celery_app.Task):
        name = "named"

        def run(self):
            return self.name

    celery_app.tasks.register(Cube())
    celery_app.register_task(Named())
    assert celery_app.tasks["cube"].apply((3,)).get() == 27
    assert celery_app.tasks["named"].apply().get() == "named"


@pytest.fixture(scope="session")
def celery_worker_parameters():
    return {"perform_ping_check": False}
