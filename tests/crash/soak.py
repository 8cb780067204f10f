"""``make soak``: workers fed for ten minutes with everything that a task can come to. Nothing of theirs may grow.

    python -m tests.crash.soak [--seconds N] [--adapters sqlite redis]

One worker has the crashing tasks, of lane prefork; another one, of lane threads, lives from the first to the last.
"""

import argparse
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import redis

from tests.servers import RedisServer
from tests.worker.fleet import Farm, Worker, until
from umbel.runtime.clock import SYSTEM

EXPIRES = 3
"""Seconds that results, dead letters and revocations live."""
CRASHES = 2.0
"""Seconds between two tasks that take their process along: more of them would wait for processes to start."""
PAGE = os.sysconf("SC_PAGE_SIZE")
MEGABYTE = 1 << 20
SETTINGS = {
    "worker_lease": 5,
    "result_expires": EXPIRES,
    "task_keep_failed": EXPIRES,
    "worker_revoke_expires": EXPIRES,
    "task_default_queue": "celery",
}


class Sample(NamedTuple):
    """What one process had at one moment."""

    resident: int
    descriptors: int
    threads: int


class Growth(NamedTuple):
    """One process that lived on: medians of the third and the last quarter, and its largest counts after the first."""

    name: str
    before: float
    after: float
    descriptors: tuple[int, int]
    threads: tuple[int, int]

    @property
    def megabytes(self) -> float:
        return (self.after - self.before) / MEGABYTE

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.before / MEGABYTE:.1f} MB, then {self.megabytes:+.2f} MB; descriptors "
            f"{self.descriptors[0]} → {self.descriptors[1]}, threads {self.threads[0]} → {self.threads[1]}"
        )


class Soak:
    """One farm. ``count`` says how much is in its broker and its store, by name."""

    def __init__(self, farm: Farm, count: Callable[[], dict[str, int]], dice: random.Random) -> None:
        self.farm, self.count, self.dice = farm, count, dice
        self.samples: dict[str, list[Sample]] = {}
        self.called = 0
        self.marks = farm.folder / "marks"
        self.marks.mkdir()
        self._crash_at = 0.0

    def run(self, seconds: float) -> None:
        """Feed for so long, and sample."""
        crashing = self.farm.worker("-c", "2", "-Q", "celery,crashing", "-n", "crashing@soak")
        lasting = self.farm.worker("-P", "threads", "-c", "4", "-n", "lasting@soak")
        self.lived = {"supervisor of prefork": crashing.process.pid, "supervisor of threads": lasting.process.pid}
        self.lived["process of threads"] = self._process_of(lasting)
        end, look = SYSTEM.monotonic() + seconds, 0.0
        while SYSTEM.monotonic() < end:
            self.some()
            if SYSTEM.monotonic() > look:
                look = SYSTEM.monotonic() + min(2.0, seconds / 40)
                self.sample()
            until(lambda: self.waiting() < 60, 60, what="the workers keep up")
            time.sleep(0.02)  # noqa: TID251  a caller has other things to do, too

    def _process_of(self, worker: Worker) -> int:
        """The one that runs tasks: it tells which it is."""
        farm = self.farm

        def told() -> int | None:
            pid = int(farm.send("whose_process").get(timeout=20))
            return pid if pid in worker.descendants() else None

        pid = until(told)
        assert pid is not None
        return pid

    def some(self) -> None:
        """Of everything a little."""
        number, farm = self.called, self.farm
        self.called += 12
        with farm._app.bulk():
            for n in range(6):
                farm.send("quick", number + n)
            farm.send("fail", "as it should")
            farm.send("flaky", f"f{number}", 1)
            farm.send("quick", f"later{number}", countdown=self.dice.uniform(0.1, 1.0))
            farm.send("rejected")
        revoked = uuid.uuid4().hex
        farm._app.control.revoke(revoked, terminate=True)
        farm.send("quick", "revoked", task_id=revoked)
        if SYSTEM.monotonic() > self._crash_at:
            self._crash_at = SYSTEM.monotonic() + CRASHES
            farm.send("dies_once", number, str(self.marks / str(number)), queue="crashing")

    def waiting(self) -> int:
        """How much is to be done."""
        depths = [self.farm.depth(queue) for queue in ("celery", "crashing")]
        return sum(depth.ready + depth.claimed for depth in depths)

    def sample(self) -> None:
        for name, pid in self.lived.items():
            folder = Path(f"/proc/{pid}")
            resident = int((folder / "statm").read_text().split()[1]) * PAGE
            found = Sample(resident, len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir())))
            self.samples.setdefault(name, []).append(found)

    def growths(self) -> list[Growth]:
        """What became of those that lived on, once everything was warm."""
        found = []
        for name, samples in self.samples.items():
            quarter = max(1, len(samples) // 4)
            third, last = samples[-2 * quarter : -quarter], samples[-quarter:]
            found.append(
                Growth(
                    name,
                    statistics.median(one.resident for one in third),
                    statistics.median(one.resident for one in last),
                    (max(one.descriptors for one in third), max(one.descriptors for one in last)),
                    (max(one.threads for one in third), max(one.threads for one in last)),
                )
            )
        return found

    def drained(self, base: dict[str, int], within: float = 150.0) -> dict[str, int]:
        """Wait until all is done and expired; what is left beyond the base, by name."""
        until(lambda: self.farm.depth().delayed + self.waiting() == 0, 60, what="an empty broker")
        left: dict[str, int] = {}

        def at_base() -> bool:
            left.clear()
            left.update({name: n for name, n in self.count().items() if n > base.get(name, 0)})
            return not left

        try:
            until(at_base, within)
        except AssertionError:
            pass  # the caller says what it thinks of it
        return left


def counts_of_redis(client: "redis.Redis") -> dict[str, int]:
    """How many keys there are, by what they begin with; register and bindings are the base's business."""
    found: dict[str, int] = {}
    for key in client.scan_iter(count=1000):
        name = key.decode().split("-")[0] if key.startswith(b"celery-task-meta") else key.decode()
        name = ":".join(name.split(":")[:2])
        found[name] = found.get(name, 0) + 1
    return found


def counts_of_sqlite(path: Path) -> dict[str, int]:
    """How many rows there are, by table."""
    link = sqlite3.connect(path, timeout=10)
    try:
        named = link.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        tables = [name for (name,) in named.fetchall()]
        return {name: link.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}
    finally:
        link.close()


def soak(adapter: str, folder: Path, seconds: float, seed: int = 1) -> tuple[list[Growth], dict[str, int], int]:
    """A whole run: growths, what is left in the broker, and how many tasks were called."""
    with ExitStack() as stack:
        if adapter == "redis":
            server = RedisServer(folder / "server").start()
            stack.callback(server.kill)
            client = stack.enter_context(server.client())
            url = server.url()
            count: Callable[[], dict[str, int]] = lambda: counts_of_redis(client)  # noqa: E731
        else:
            url = f"sqlite:///{folder / 'soak.db'}"
            count = lambda: counts_of_sqlite(folder / "soak.db")  # noqa: E731
        farm = stack.enter_context(Farm(folder, broker=url, backend=url, **SETTINGS))
        stack.enter_context(farm.app())
        one = Soak(farm, count, random.Random(seed))
        warm = farm.worker("-c", "1", "-Q", "celery,crashing")
        farm.send("quick", "warm").get(timeout=30)
        assert warm.stop() == 0
        base = {name: n for name, n in count().items() if "meta" not in name and name != "result"}
        one.run(seconds)
        left = one.drained(base | BASE)
        return one.growths(), left, one.called


BASE = {
    "umbel:consumers": 1,
    "umbel:consumer": 5,
    "umbel:pulse": 1,
    "umbel:quiet": 1,
    "umbel:armed": 4,
    "umbel:idle": 4,
}
BASE |= {"umbel:wake": 5, "consumer": 5, "umbel:revoked": 1, "_kombu.binding.celery": 1, "_kombu.binding.crashing": 1}
"""What belongs to the two workers that live: registers, and the version of the revocations."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--adapters", nargs="*", default=["sqlite", "redis"])
    parser.add_argument("--most", type=float, default=1.5, help="megabytes of growth in the last half that are noise")
    given = parser.parse_args()
    status = 0
    with tempfile.TemporaryDirectory(prefix="soak-") as place, ThreadPoolExecutor(2) as pool:
        folders = [Path(place) / adapter for adapter in given.adapters]
        for folder in folders:
            folder.mkdir()
        runs = [
            pool.submit(soak, adapter, folder, given.seconds)
            for adapter, folder in zip(given.adapters, folders, strict=True)
        ]
        for adapter, run in zip(given.adapters, runs, strict=True):
            growths, left, called = run.result()
            print(f"{adapter}: {called} tasks in {given.seconds:g} s; left beyond the base: {json.dumps(left)}")  # noqa: T201
            for growth in growths:
                print(f"  {growth}")  # noqa: T201
                steady = growth.descriptors[1] <= growth.descriptors[0] and growth.threads[1] <= growth.threads[0] + 2
                status |= growth.megabytes > given.most or not steady
            status |= bool(left)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
