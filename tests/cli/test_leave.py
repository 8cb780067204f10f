"""``umbel leave``: what waits for its time goes back to where Celery finds it."""

from collections.abc import Callable
from pathlib import Path

import redis

from tests.cli.conftest import Run
from umbel import Umbel as App


def test_delayed_messages_go_back_to_their_queue(umbel: Run, redis_url: str) -> None:
    with App("caller", broker=redis_url, set_as_current=False) as app:
        app.send_task("a.b", countdown=3600)
        app.send_task("a.b")
        before = app.sync_producer.survey(["celery"])[0]
        assert (before.ready, before.delayed) in {(1, 1), (2, 0)}
        done = umbel("-b", redis_url, "leave")
        assert done.returncode == 0, done.stderr
        assert "back to the queues" in done.stdout
        with redis.Redis.from_url(redis_url) as client:
            assert client.llen("celery") == 2
            assert not client.exists("umbel:delayed")


def test_a_broker_that_only_umbel_reads_has_no_way_back(umbel: Run, module: Callable[..., Path]) -> None:
    module("tasks", "from umbel import Umbel\napp = Umbel('tasks')\n")
    done = umbel("-A", "tasks", "leave")
    assert done.returncode == 1
    assert "nothing to give back" in done.stderr
