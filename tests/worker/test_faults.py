"""A database that is locked, gone or holds garbage, and a worker that is struck at a bad moment (G1, G8)."""

import json
import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.worker.fleet import Farm, until
from umbel.runtime.clock import SYSTEM

on_sqlite = pytest.mark.parametrize("farm_with", ["sqlite"], indirect=True)


@contextmanager
def opened(farm: Farm) -> Iterator[sqlite3.Connection]:
    link = sqlite3.connect(farm.folder / "farm.db", isolation_level=None, timeout=10)
    yield link
    link.close()


def letters(farm: Farm) -> list[tuple[str, str]]:
    with opened(farm) as link:
        return link.execute("SELECT reason, detail FROM dead ORDER BY reason").fetchall()


def put(farm: Farm, head: bytes, body: bytes) -> None:
    """A row as nobody but an attacker or a broken disk writes it."""
    with opened(farm) as link:
        link.execute("BEGIN IMMEDIATE")
        seq = link.execute("INSERT INTO message (queue, priority, head, body) VALUES ('celery', 0, ?, ?)", (head, body))
        link.execute("INSERT INTO ready (queue, priority, seq) VALUES ('celery', 0, ?)", (seq.lastrowid,))
        link.execute("COMMIT")


def head(task: str = "tests.worker.subjects.quick", **changes: Any) -> bytes:
    return json.dumps(
        {
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {"id": "x", "task": task, "lang": "py"} | changes.pop("headers", {}),
            "properties": {"correlation_id": "x", "delivery_tag": "t", "delivery_info": {}},
        }
        | changes
    ).encode()


GARBAGE = {
    "no JSON": (b"\xff\x00garbage", b"\xfe"),
    "nested for ever": (b"[" * 100_000, b"[" * 100_000),
    "a head of other types": (head(headers={"eta": 5, "expires": ["?"], "timelimit": "soon"}), b"[[],{},{}]"),
    "a body that is none": (head(), b"{"),
    "a body nested for ever": (head(), b"[" * 100_000),
    "a body of another shape": (head(), b'"hello"'),
    "pickle": (head(**{"content-type": "application/x-python-serialize"}), b"\x80\x04K\x01."),
    "old protocol": (head(task="", **{"content-type": "application/x-python-serialize"}), b"\x80\x04K\x01."),
}


@on_sqlite
def test_what_cannot_be_read_is_buried(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    farm.send("add", 1, 1).get(timeout=20)
    for row in GARBAGE.values():
        put(farm, *row)
    until(lambda: len(letters(farm)) == len(GARBAGE), what="all buried")
    assert Counter(reason for reason, _ in letters(farm))["refused"] >= 2
    assert all(detail for _, detail in letters(farm))
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    assert not farm.lines("start")
    assert "was lost" not in worker.text
    assert "Umbel itself" not in worker.text
    assert worker.stop() == 0


@on_sqlite
def test_odd_times_in_a_header_do_no_harm(farm: Farm) -> None:
    farm.worker("-c", "1")
    odd = ("never", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "")
    for i, time in enumerate(odd):
        put(farm, head(headers={"id": f"odd-{i}", "expires": time if time[:1] != "0" else None}), b'[["odd"],{},{}]')
    farm.started("odd", times=len(odd))
    put(farm, head(headers={"eta": "0001-01-01T00:00:00+23:59"}), b'[["early"],{},{}]')
    farm.started("early")


@on_sqlite
def test_a_database_that_somebody_locks_costs_time_and_nothing_else(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(worker_lease=0.4)
    worker = farm.worker("-c", "2")
    results = [farm.send("sleep", i, 0.02) for i in range(60)]
    farm.started(0)
    pids = sorted(worker.descendants())
    with opened(farm) as link:
        link.execute("BEGIN IMMEDIATE")
        end = SYSTEM.monotonic() + 2.5  # six leases
        until(lambda: SYSTEM.monotonic() > end)
        link.execute("ROLLBACK")
    assert [result.get(timeout=30) for result in results] == list(range(60))
    assert [len(farm.lines("start", i)) for i in range(60)] == [1] * 60
    assert sorted(worker.descendants()) == pids, "nobody was killed"
    assert worker.stop() == 0


@on_sqlite
def test_a_worker_leaves_in_time_while_the_database_is_locked(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(worker_shutdown_timeout=0.5)
    worker = farm.worker("-c", "1")
    farm.send("hold", "h", str(farm.gate()))
    farm.started("h")
    with opened(farm) as link:
        link.execute("BEGIN IMMEDIATE")
        worker.signal(signal.SIGTERM)
        assert worker.wait(15) == 1
        link.execute("ROLLBACK")
    farm.gate().touch()
    other = farm.worker("-c", "1")
    farm.started("h", times=2)
    assert other.stop() == 0


@on_sqlite
def test_a_database_that_was_deleted_is_made_anew_and_said(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    farm.send("add", 1, 1).get(timeout=20)
    farm._app.close()
    for path in sorted(farm.folder.glob("farm.db*"), reverse=True):  # the database last: a new one has a log as well
        if path.is_file():
            path.unlink()
    until(lambda: worker.text.count("was deleted or replaced") >= 2, what="the supervisor and its process say so")
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    assert worker.stop() == 0


@pytest.mark.parametrize("task", ["early", "quick"])
def test_kills_lose_nothing(farm: Farm, task: str) -> None:
    """Processes die at random; nothing is lost, and what was acknowledged early never runs twice."""
    worker = farm.worker("-c", "3")
    chance, count = random.Random(7), 800
    with farm._app.bulk():
        results = [farm.send(task, i) for i in range(count)]
    server = min(worker.descendants())
    for done in range(0, count * 3 // 4, 50):
        until(lambda done=done: len(farm.lines("start")) > done, 30)  # type: ignore[misc]
        victims = [pid for pid in worker.descendants() if pid != server]
        if victims:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(victims), signal.SIGKILL)
    ends = [result.get(timeout=60, propagate=False) for result in results]
    runs = Counter(line.words[1] for line in farm.lines("start"))
    lost = [i for i, end in enumerate(ends) if end != i]
    if task == "early":
        assert max(runs.values()) == 1, "never twice"
        assert len(lost) <= 60
        assert {type(ends[i]).__name__ for i in lost} <= {"WorkerLostError"}
    else:
        assert lost == []
    assert all(runs[str(i)] or i in lost for i in range(count))
    assert worker.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("processes", [1, 8])
def test_a_signal_while_processes_start(farm: Farm, number: int, processes: int) -> None:
    worker = farm.worker("-c", str(processes), ready=False)
    until(lambda: len(worker.descendants()) >= 2)
    worker.signal(number)
    assert worker.wait(15) == 0
    assert "Traceback" not in worker.text


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_fork_server_is_replaced_while_a_process_starts(farm: Farm, number: int) -> None:
    worker = farm.worker("-c", "2")
    server, *processes = sorted(worker.descendants())
    os.kill(server, number)
    for process in processes:
        os.kill(process, signal.SIGKILL)
    assert farm.send("add", 2, 2).get(timeout=60) == 4
    assert "every process is a new interpreter" in worker.text
    assert worker.stop() == 0


def test_new_interpreters_are_killed_limited_and_stopped_as_others(farm: Farm) -> None:
    farm.environment["SUBJECT_THREAD"] = "1"
    worker = farm.worker("-c", "1")
    assert "left threads (left-by-import" in worker.text
    held = farm.send("hold", "h", str(farm.gate()))
    first = farm.started("h")
    os.kill(first.pid, signal.SIGKILL)
    assert farm.started("h", times=2).pid != first.pid
    farm.gate().touch()
    assert held.get(timeout=20) == "h"
    for limit in ("soft_time_limit", "time_limit"):
        error = farm.send("endless_sleep", limit, **{limit: 0.2}).get(timeout=30, propagate=False)
        assert "TimeLimitExceeded" in type(error).__name__
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    assert worker.stop() == 0


def boards(pid: int) -> list[Path]:
    """The folder that this worker's processes have mapped."""
    found = set()
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if line.endswith(".board"):
            found.add(Path(line.split(" ", 5)[-1].strip()).parent)
    return sorted(found)


def test_what_a_killed_worker_leaves_the_next_one_clears(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    farm.send("add", 1, 1).get(timeout=20)
    (folder,) = boards(worker.process.pid)
    worker.end()
    other = farm.worker("-c", "1")
    assert not folder.exists()
    (folder,) = boards(other.process.pid)
    assert other.stop() == 0
    assert not folder.exists()
