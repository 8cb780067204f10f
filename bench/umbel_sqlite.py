"""Umbel on SQLite, measured as ``limit.py`` is, and what only a whole task queue has. Prints one line of JSON.

The first and the last task of a drain note the time, so that the start of the worker is not part of it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from umbel import Umbel

app = Umbel("bench", include=["umbel_sqlite"])
BULK = 1000


@app.task(name="noop")
def noop(number: int) -> int:
    return number


@app.task(name="unstored", ignore_result=True)
def unstored(number: int) -> int:
    return number


@app.task(name="early", acks_late=False)
def early(number: int) -> int:
    return number


@app.task(name="spin")
def spin(turns: int) -> float:
    """Pure Python that never lets go of the interpreter lock by itself. Returns the CPU seconds that it took."""
    started = time.thread_time()
    for _ in range(turns):
        pass
    return time.thread_time() - started


@app.task(name="now")
def now() -> float:
    return time.monotonic()


@contextmanager
def worker(level: str = "WARNING") -> Iterator[subprocess.Popen[bytes]]:
    """A worker with one process, in a session of its own. Its log goes nowhere."""
    line = [sys.executable, "-m", "umbel", "-A", "umbel_sqlite", "--quiet", "worker", "-c", "1", "-l", level]
    with subprocess.Popen(
        line, cwd=Path(__file__).parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


# What is measured -----------------------------------------------------------------------------------------------------


def one_by_one(task: str, tasks: int) -> float:
    """Calls per second, with ``delay()`` in a loop."""
    started = time.perf_counter()
    delay = app.tasks[task].delay
    calls = [delay(number) for number in range(tasks)]
    return len(calls) / (time.perf_counter() - started)


def at_once(task: str, tasks: int) -> float:
    """Calls per second, a thousand in every ``app.bulk()``."""
    started = time.perf_counter()
    delay = app.tasks[task].delay
    for start in range(0, tasks, BULK):
        with app.bulk():
            for number in range(start, min(start + BULK, tasks)):
                delay(number)
    return tasks / (time.perf_counter() - started)


class Drain:
    """What is called inside the block is run by one worker after it: ``seconds`` from its first task to its last."""

    seconds = 0.0

    def __init__(self, level: str = "WARNING") -> None:
        self.level = level

    def __enter__(self) -> "Drain":
        self.first = now.delay()
        return self

    def __exit__(self, *_: object) -> None:
        last = now.delay()
        with worker(self.level):
            self.seconds = last.get(timeout=600) - self.first.get(timeout=600)


def long_tasks(tasks: int) -> float:
    """The share of a worker's time that goes into tasks of 1 ms, by what they say that they took."""
    turns = int(100_000 * 0.001 / min(spin(100_000) for _ in range(20)))
    with Drain() as drain:
        calls = [spin.delay(turns) for _ in range(tasks)]
    return sum(call.get(timeout=10) for call in calls) / drain.seconds


def idle(trips: int) -> dict[str, float]:
    """The median time from ``delay`` to ``get`` on a worker that has nothing to do, and how busy it is meanwhile."""
    took = []
    with worker() as process:
        noop.delay(0).get(timeout=60)
        for number in range(trips):
            time.sleep(0.02)
            started = time.perf_counter()
            noop.delay(number).get(timeout=60)
            took.append(time.perf_counter() - started)
        before, started = cpu_of(process.pid), time.perf_counter()
        time.sleep(trips / 100)
        busy = (cpu_of(process.pid) - before) / (time.perf_counter() - started)
    return {"round trip": statistics.median(took) * 1000, "idle CPU": busy}


def cpu_of(session: int) -> float:
    """CPU seconds of all processes of a session so far (Linux)."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(tasks: int) -> dict[str, float]:
    """Every figure once. Rates are per second, ``round trip`` is in milliseconds, the last two are shares of 1."""
    found: dict[str, float] = {}
    with Drain() as drain:
        found["delay()"] = one_by_one("noop", tasks)
    found["drain"] = tasks / drain.seconds
    with Drain() as drain:
        found["app.bulk()"] = at_once("unstored", tasks)
    found["drain without results"] = tasks / drain.seconds
    with Drain() as drain:
        at_once("early", tasks // 4)
    found["drain, acknowledged early"] = tasks // 4 / drain.seconds
    with Drain("INFO") as drain:
        at_once("noop", tasks // 2)
    found["drain at log level INFO"] = tasks // 2 / drain.seconds
    found |= idle(max(10, tasks // 300))
    found["1 ms tasks"] = long_tasks(max(10, tasks // 40))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=60_000)
    with tempfile.TemporaryDirectory(prefix="umbel-bench-") as folder:
        os.environ["UMBEL_BROKER_URL"] = os.environ["UMBEL_RESULT_BACKEND"] = f"sqlite:///{folder}/umbel.db"
        print(json.dumps(measure(parser.parse_args().tasks)))
