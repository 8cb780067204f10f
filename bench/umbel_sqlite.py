"""Umbel on SQLite, measured as ``limit.py`` is: enqueue with ``delay()`` in a loop, drain with one process.

The first and the last task of the drain note the time, so that the start of the worker is not part of it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from umbel import Umbel

app = Umbel("bench", include=["umbel_sqlite"])


@app.task(name="noop")
def noop(number: int) -> int:
    return number


@app.task(name="now")
def now() -> float:
    return time.monotonic()


def measure(tasks: int) -> dict[str, float]:
    """Enqueue and drain one file, and make sure that the results are there."""
    first = now.delay()
    started = time.perf_counter()
    calls = [noop.delay(number) for number in range(tasks)]
    enqueue = tasks / (time.perf_counter() - started)
    last = now.delay()
    line = [sys.executable, "-m", "umbel", "-A", "umbel_sqlite", "--quiet", "worker", "-c", "1", "-l", "WARNING"]
    with subprocess.Popen(line, cwd=Path(__file__).parent) as worker:
        try:
            seconds = last.get(timeout=600) - first.get(timeout=600)
            assert [call.get(timeout=10) for call in (calls[0], calls[-1])] == [0, tasks - 1]
        finally:
            worker.terminate()
    return {"enqueue": enqueue, "drain": tasks / seconds}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=60_000)
    with tempfile.TemporaryDirectory(prefix="umbel-bench-") as folder:
        os.environ["UMBEL_BROKER_URL"] = os.environ["UMBEL_RESULT_BACKEND"] = f"sqlite:///{folder}/umbel.db"
        print(json.dumps(measure(parser.parse_args().tasks)))
