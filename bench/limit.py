"""The ceiling of one process on SQLite: an I/O thread that never runs a task, a lane that never does I/O, nothing else.

It publishes messages in Celery's form, claims, runs and settles them, and prints tasks per second. Whatever a real
worker needs beyond that is missing: leases, retries, limits, signals, events, routing, more than one queue or consumer.
``bench/run.py`` holds Umbel against it, with the same durability (WAL, ``synchronous = NORMAL``).

Every row that ``sqlite3`` binds or fetches lets go of the interpreter lock, and getting it back beside a busy thread
takes up to the switch interval. So a batch of results is one INSERT of many rows, and a batch of messages comes as one
row: lengths in a JSON array, bytes end to end.
"""

import argparse
import collections
import datetime
import json
import os
import queue
import sqlite3
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

BATCH = 256
"""Messages that are claimed, and settled, in one transaction at most."""
IDLE = 0.002
"""Seconds that the I/O thread waits at most before it settles what has finished."""

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE message (seq INTEGER PRIMARY KEY, head BLOB, body BLOB);
CREATE TABLE claim (seq INTEGER PRIMARY KEY, owner INTEGER);
CREATE TABLE result (number INTEGER PRIMARY KEY, id TEXT UNIQUE, expires REAL, record BLOB);
"""
PUBLISH = "INSERT INTO message (head, body) VALUES (?, ?)"
CLAIM = """
INSERT INTO claim SELECT seq, 1 FROM message WHERE seq > coalesce((SELECT max(seq) FROM claim), ?) ORDER BY seq LIMIT ?
"""
FETCH = """
SELECT json_group_array(seq), json_group_array(length(head)), json_group_array(length(body)),
    CAST(group_concat(head || body, '') AS BLOB)
FROM (SELECT * FROM message WHERE seq > ? ORDER BY seq LIMIT ?)
"""
STORE, ROW = "INSERT OR REPLACE INTO result (id, record, expires) VALUES ", "(?, ?, ?)"
ACK = "DELETE FROM {} WHERE seq BETWEEN ? AND ?"

encode, decode = msgspec.json.encode, msgspec.json.decode
Claimed = tuple[int, bytes, bytes]
Outcome = tuple[int, str, bytes | None]


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def create(path: Path) -> None:
    connection = connect(path)
    connection.executescript(SCHEMA)
    connection.close()


def new_id() -> str:
    """A UUID of version 7, as Umbel's: over random ids the index of the results costs several times as much."""
    time_, chance = f"{time.time_ns() // 1_000_000:012x}", os.urandom(9).hex()
    return f"{time_[:8]}-{time_[8:]}-7{chance[:3]}-8{chance[3:6]}-{chance[6:]}"


def message(number: int) -> tuple[bytes, bytes]:
    task_id = new_id()
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


def enqueue(path: Path, tasks: int, *, at_once: int) -> float:
    """Messages per second, so many in one transaction: 1 is ``delay()`` in a loop, 1,000 is ``app.bulk()``."""
    connection = connect(path)
    started = time.perf_counter()
    for start in range(0, tasks, at_once):
        rows = [message(number) for number in range(start, min(start + at_once, tasks))]
        if at_once == 1:
            connection.execute(PUBLISH, rows[0])
        else:
            connection.execute("BEGIN")
            connection.executemany(PUBLISH, rows)
            connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return tasks / seconds


class Process:
    """One process: ``claim_and_settle`` on a thread, ``lane`` on the main thread, two queues in between."""

    def __init__(self, path: Path, tasks: int, *, results: bool) -> None:
        self.path, self.tasks, self.results = path, tasks, results
        self.hand: queue.SimpleQueue[list[Claimed] | None] = queue.SimpleQueue()
        self.outcomes: collections.deque[Outcome] = collections.deque()
        self.finished = threading.Event()
        self.last = 0

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
            finished = [self.outcomes.popleft() for _ in range(min(len(self.outcomes), BATCH))]
            in_hand -= len(finished)
            connection.execute("BEGIN IMMEDIATE")
            if finished:
                self.settle(connection, finished)
            claimed = self.claim(connection) if in_hand <= BATCH else []
            connection.execute("COMMIT")
            settled += len(finished)
            in_hand += len(claimed)
            if claimed:
                self.hand.put(claimed)
            if len(self.outcomes) < BATCH:
                self.finished.wait(IDLE)
            self.finished.clear()
        self.hand.put(None)
        connection.close()

    def settle(self, connection: sqlite3.Connection, finished: list[Outcome]) -> None:
        expires = time.time() + 86400
        if self.results:
            values = [value for _, task_id, record in finished for value in (task_id, record, expires)]
            connection.execute(STORE + ", ".join([ROW] * len(finished)), values)
        for table in ("message", "claim"):
            connection.execute(ACK.format(table), (finished[0][0], finished[-1][0]))

    def claim(self, connection: sqlite3.Connection) -> list[Claimed]:
        connection.execute(CLAIM, (self.last, BATCH))
        *arrays, data = connection.execute(FETCH, (self.last, BATCH)).fetchone()
        seqs, heads, bodies = map(decode, arrays)
        claimed, start = [], 0
        for seq, head, body in zip(seqs, heads, bodies, strict=True):
            middle, end = start + head, start + head + body
            claimed.append((seq, data[start:middle], data[middle:end]))
            start = end
        self.last = seqs[-1] if seqs else self.last
        return claimed

    def lane(self, tasks: dict[str, Any]) -> None:
        while (claimed := self.hand.get()) is not None:
            for seq, head, body in claimed:
                headers = decode(head)["headers"]
                args, kwargs, _ = decode(body)
                result = tasks[headers["task"]](*args, **kwargs)
                stored = record(headers["id"], result) if self.results else None
                self.outcomes.append((seq, headers["id"], stored))
            self.finished.set()


def record(task_id: str, result: Any) -> bytes:
    done = datetime.datetime.now(datetime.UTC).isoformat()
    meta = {"status": "SUCCESS", "result": result, "traceback": None, "children": [], "date_done": done}
    return encode(meta | {"task_id": task_id})


def measure(tasks: int) -> dict[str, float]:
    """Fill and drain a file one by one with results, and a thousand at once without, and make sure that all is done."""
    rates = {}
    for filling, at_once, draining, results in (
        ("delay()", 1, "drain", True),
        ("app.bulk()", 1000, "drain without results", False),
    ):
        with tempfile.TemporaryDirectory(prefix="umbel-limit-") as folder:
            path = Path(folder, "limit.db")
            create(path)
            rates[filling] = enqueue(path, tasks, at_once=at_once)
            rates[draining] = Process(path, tasks, results=results).drain()
            count = "SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM claim), (SELECT count(*) FROM result)"
            left = connect(path).execute(count).fetchone()
            assert left == (0, 0, tasks * results), f"messages, claims and results that are left: {left}"
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=60_000)
    print(json.dumps(measure(parser.parse_args().tasks)))
