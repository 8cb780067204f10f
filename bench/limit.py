"""The ceiling of one process on SQLite: an I/O thread that never runs a task, a lane that never does I/O, nothing else.

It publishes messages in Celery's form, claims, runs and settles them with stored results, and prints tasks per second.
Whatever a real worker needs beyond that is missing: leases, retries, limits, signals, events, routing. ``bench/run.py``
holds Umbel against it.
"""

import argparse
import collections
import datetime
import json
import queue
import sqlite3
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec

BATCH = 64
IDLE = 0.002
"""Seconds that the I/O thread waits at most before it settles what has finished."""

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE message (serial INTEGER PRIMARY KEY, queue TEXT, owner TEXT, head BLOB, body BLOB);
CREATE INDEX waiting ON message (queue, serial) WHERE owner IS NULL;
CREATE TABLE result (id TEXT PRIMARY KEY, record BLOB, expires REAL) WITHOUT ROWID;
"""
PUBLISH = "INSERT INTO message (queue, head, body) VALUES ('celery', ?, ?)"
CLAIM = """
UPDATE message SET owner = 'limit' WHERE serial IN (
    SELECT serial FROM message WHERE queue = 'celery' AND owner IS NULL ORDER BY serial LIMIT ?
) RETURNING serial, head, body
"""
STORE = "INSERT OR REPLACE INTO result (id, record, expires) VALUES (?, ?, ?)"
ACK = "DELETE FROM message WHERE serial = ?"

encode, decode = msgspec.json.encode, msgspec.json.decode
Outcome = tuple[int, str, bytes]


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def create(path: Path) -> None:
    connection = connect(path)
    connection.executescript(SCHEMA)
    connection.close()


def message(number: int) -> tuple[bytes, bytes]:
    task_id = str(uuid.uuid4())
    headers: dict[str, Any] = {
        "lang": "py",
        "task": "noop",
        "id": task_id,
        "shadow": None,
        "eta": None,
        "expires": None,
    }
    headers |= {"group": None, "group_index": None, "retries": 0, "timelimit": [None, None], "root_id": task_id}
    headers |= {"parent_id": None, "argsrepr": f"({number},)", "kwargsrepr": "{}", "origin": "gen1@host"}
    headers |= {"ignore_result": False, "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {}}
    properties: dict[str, Any] = {"correlation_id": task_id, "reply_to": "r", "delivery_mode": 2, "priority": 0}
    properties |= {"delivery_tag": task_id, "delivery_info": {"exchange": "", "routing_key": "celery"}}
    head = {"content-encoding": "utf-8", "content-type": "application/json", "headers": headers}
    body = [[number], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    return encode({**head, "properties": properties}), encode(body)


def enqueue(path: Path, tasks: int) -> float:
    """One transaction per message, as ``delay()`` in a loop does it. Messages per second."""
    connection = connect(path)
    started = time.perf_counter()
    for number in range(tasks):
        connection.execute(PUBLISH, message(number))
    seconds = time.perf_counter() - started
    connection.close()
    return tasks / seconds


class Process:
    """One process: ``claim_and_settle`` on a thread, ``lane`` on the main thread, two queues in between."""

    def __init__(self, path: Path, tasks: int) -> None:
        self.path, self.tasks = path, tasks
        self.hand: queue.SimpleQueue[list[tuple[int, bytes, bytes]] | None] = queue.SimpleQueue()
        self.outcomes: collections.deque[Outcome] = collections.deque()
        self.finished = threading.Event()

    def drain(self) -> float:
        """Tasks per second, from the first claim to the last settlement."""
        thread = threading.Thread(target=self.claim_and_settle)
        started = time.perf_counter()
        thread.start()
        self.lane({"noop": lambda number: number})
        thread.join()
        return self.tasks / (time.perf_counter() - started)

    def claim_and_settle(self) -> None:
        connection = connect(self.path)
        in_hand = settled = 0
        while settled < self.tasks:
            finished = [self.outcomes.popleft() for _ in range(len(self.outcomes))]
            in_hand -= len(finished)
            connection.execute("BEGIN IMMEDIATE")
            expires = time.time() + 86400
            connection.executemany(STORE, [(task_id, record, expires) for _, task_id, record in finished])
            connection.executemany(ACK, [(serial,) for serial, _, _ in finished])
            claimed = connection.execute(CLAIM, (2 * BATCH - in_hand,)).fetchall() if in_hand < BATCH else []
            connection.execute("COMMIT")
            settled += len(finished)
            in_hand += len(claimed)
            if claimed:
                self.hand.put(claimed)
            if not self.outcomes:
                self.finished.wait(IDLE)
            self.finished.clear()
        self.hand.put(None)
        connection.close()

    def lane(self, tasks: dict[str, Any]) -> None:
        while (claimed := self.hand.get()) is not None:
            for serial, head, body in claimed:
                headers = decode(head)["headers"]
                args, kwargs, _ = decode(body)
                result = tasks[headers["task"]](*args, **kwargs)
                self.outcomes.append((serial, headers["id"], record(headers["id"], result)))
            self.finished.set()


def record(task_id: str, result: Any) -> bytes:
    done = datetime.datetime.now(datetime.UTC).isoformat()
    meta = {"status": "SUCCESS", "result": result, "traceback": None, "children": [], "date_done": done}
    return encode(meta | {"task_id": task_id})


def measure(tasks: int) -> dict[str, float]:
    """Enqueue and drain one file, and make sure that every result is there."""
    with tempfile.TemporaryDirectory(prefix="umbel-limit-") as folder:
        path = Path(folder, "limit.db")
        create(path)
        rates = {"enqueue": enqueue(path, tasks), "drain": Process(path, tasks).drain()}
        left, stored = (
            connect(path).execute("SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM result)").fetchone()
        )
        assert (left, stored) == (0, tasks), f"{left} messages are left and {stored} of {tasks} results are stored"
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=60_000)
    print(json.dumps(measure(parser.parse_args().tasks)))
