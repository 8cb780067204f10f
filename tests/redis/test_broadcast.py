"""Broadcast queues of real workers: once in each, whatever its processes do; nothing stays of one that has gone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.redis.load import Load
from tests.worker.fleet import Worker, until

QUEUES = {"celery": {}, "reload": {"exchange": "reload", "exchange_type": "fanout"}}


@pytest.fixture
def load(load_at: Callable[..., Load], redis_url: str) -> Load:
    return load_at(redis_url, task_queues=QUEUES)


NOTHING = {"ready": 0, "delayed": 0, "claimed": 0, "dead": 0, "consumers": 0}


def operate(load: Load, *words: str) -> object:
    """What a command of the operator says."""
    command = [sys.executable, "-m", "umbel", "-A", "tests.worker.subjects", *words]
    return json.loads(subprocess.run(command, env=load.farm.environment, capture_output=True, check=True).stdout)


def workers_of(load: Load, key: object) -> set[int]:
    """Which workers started a task."""
    of = {pid: index for index, worker in enumerate(load.farm.workers) for pid in worker.descendants()}
    return {of.get(line.pid, line.pid) for line in load.farm.lines("start", key)}


def test_a_retry_stays_with_its_worker_and_a_lost_process_too(load: Load) -> None:
    for _ in range(2):
        load.farm.worker("-c", "2")
    load.farm.send("flaky", "again", 2, queue="reload")
    until(lambda: len(load.farm.lines("start", "again")) == 6, what="three attempts in each worker")
    assert workers_of(load, "again") == {0, 1}
    load.farm.send("hold", "lost", str(load.farm.gate()), queue="reload")
    load.farm.started("lost", 2)
    for line in load.farm.lines("start", "lost"):
        os.kill(line.pid, signal.SIGKILL)
    load.farm.started("lost", 4)
    assert workers_of(load, "lost") >= {0, 1}
    load.farm.gate().touch()
    until(lambda: len(load.farm.lines("end", "lost")) == 2, what="an end in each worker")


def test_a_worker_that_stops_leaves_no_copy_behind(load: Load) -> None:
    worker = load.farm.worker("-c", "1")
    load.farm.send("hold", "one", str(load.farm.gate()), queue="reload")
    load.farm.started("one")
    load.farm.send("quick", "later", queue="reload")
    until(lambda: list(load.look.scan_iter("umbel:cast:*:reload")), what="a copy that waits")
    assert operate(load, "queues", "--json") == [
        {"queue": "celery", **NOTHING, "consumers": 1},
        {"queue": "reload", **NOTHING, "ready": 1, "claimed": 1, "consumers": 1},
    ]
    assert operate(load, "purge", "-f", "-Q", "reload", "--json") == {"reload": 1}
    load.farm.send("quick", "later", queue="reload")
    until(lambda: list(load.look.scan_iter("umbel:cast:*:reload")), what="another copy that waits")
    worker.signal(signal.SIGTERM)
    load.farm.gate().touch()
    assert worker.wait() == 0
    assert not list(load.look.scan_iter("umbel:*"))
    load.farm.send("quick", "nobody", queue="reload")
    load.farm.worker("-c", "1")
    load.farm.send("quick", "here", queue="reload")
    load.farm.started("here")
    assert load.farm.lines("start", "nobody") == []


def test_a_letter_of_a_copy_is_sent_again_while_its_worker_lives(load: Load) -> None:
    worker = load.farm.worker("-c", "1")
    failed = load.farm.send("fail", "broken", queue="reload")
    until(lambda: load.look.exists("umbel:dead"), what="a dead letter")
    assert operate(load, "dead", "retry", failed.id, "--json") == {"count": 1}
    until(lambda: load.look.exists("umbel:dead"), what="it failed again")
    assert worker.stop() == 0
    assert operate(load, "dead", "retry", failed.id, "--json") == {"count": 0}
    assert load.look.exists("umbel:dead"), "nobody would read it: it stays"


def test_a_worker_whose_ear_is_cut_off_listens_again(load: Load) -> None:
    worker: Worker = load.farm.worker("-c", "1")
    (ear,) = [one["id"] for one in load.look.client_list() if one["psub"] == "1"]
    load.look.client_kill_filter(_id=ear)
    until(lambda: "Broadcasts are not heard" in worker.text, what="the loss is said")
    until(lambda: any(one["psub"] == "1" for one in load.look.client_list()), what="it listens again")
    load.farm.send("quick", "after", queue="reload")
    load.farm.started("after")


def test_solo_hears_too(load: Load) -> None:
    load.farm.worker("-P", "solo")
    load.farm.send("quick", "solo", queue="reload")
    load.farm.started("solo")
