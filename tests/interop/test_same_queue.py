"""One queue, seen and emptied by both: `celery purge`, `umbel purge`, and what each counts."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import redis

from tests.interop.environments import ROOT, need
from tests.interop.fleet import Fleet
from tests.worker.fleet import until


def run(fleet: Fleet, interpreter: Path | str, *words: str) -> str:
    command = [str(interpreter), "-m", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, env=fleet.environment, cwd=ROOT, check=True, timeout=60
    )
    return done.stdout + done.stderr


def test_both_see_and_purge_it(make_fleet: Callable[..., Fleet], version: str, redis_url: str) -> None:
    fleet = make_fleet()
    client = fleet.celery_client(version)
    with fleet.umbel_client() as app, redis.Redis.from_url(redis_url) as look:
        add = app.tasks["interop.add"]

        def fill() -> None:
            for number in range(5):
                add.delay(number)
                add.apply_async((number,), priority=9)
                client.send("interop.add", args=[number])
            assert look.llen("celery") == 10
            assert client.depth("celery") == app.sync_producer.survey(["celery"])[0].ready == 15

        fill()
        said = run(fleet, need(version), "celery", "-A", "tests.interop.celery_app", "purge", "-f", "-Q", "celery")
        assert "Purged 15 messages" in said
        assert app.sync_producer.survey(["celery"])[0].ready == 0
        fill()
        assert "15" in run(fleet, sys.executable, "umbel", "-A", "tests.interop.umbel_app", "purge", "-f")
        assert client.depth("celery") == 0
        kept = [add.delay(1), add.delay(2)]
        fleet.celery(version, "-c", "1")
        assert [result.get(timeout=30) for result in kept] == [1, 2]
        until(lambda: client.depth("celery") == 0, what="an empty queue")
    assert [line["by"] for line in fleet.ran()] == ["celery", "celery"]
