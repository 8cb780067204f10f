"""A chord beside as many plain tasks with results, on one private Redis: ``make bench-workflows``, bench/WORKFLOWS.md.

Both take turns. What runs is a no-op; a worker of one process is at rest before it gets anything. Ratios are held: see
``MUST``.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent
sys.path[0:0] = [str(BENCH), str(BENCH.parent)]

import redis  # noqa: E402
from peers.machine import cpu, kill, tree, until  # noqa: E402

from tests.servers import RedisServer  # noqa: E402
from umbel import Umbel, chord  # noqa: E402

REDIS = os.environ.get("BENCH_REDIS", "redis://localhost:1/0")
app = Umbel("workflows", broker=REDIS, backend=REDIS, set_as_current=False)
KINDS = ("plain", "chord")
MUST = {"bytes": 1.2, "run": 1.5}
UNITS = {
    "bytes": "bytes sent",
    "run": "µs to run",
    "worker": "µs of the worker's processor, the body included",
    "server": "µs of the server's",
    "send": "µs to send, `delay` in `app.bulk()` beside `chord(…)()`",
}
PAGE = """\
# A chord on Redis

By `make bench-workflows`: {rounds} rounds of {tasks:,} no-op tasks, and of a chord of as many, in one process of one
worker, results stored, log level WARNING; medians. {cpus} CPUs, Python {python}.

| per task | plain | member of a chord | ratio | at most |
|---|---:|---:|---:|---:|
{rows}

*To run*: from the first end to the last, as the results say it. The ratios are what is held.
"""


@app.task(name="add")
def add(x: int, y: int) -> int:
    return x + y


@app.task(name="count")
def count(values: list[int]) -> int:
    return len(values)


def plain(tasks: int) -> tuple[list[str], Callable[[], object]]:
    """The ids of the tasks, and what waits for their end."""
    with app.bulk():
        sent = [add.delay(n, n) for n in range(tasks)]
    return [one.id for one in sent], sent[-1].get


def whole(tasks: int) -> tuple[list[str], Callable[[], object]]:
    """The same of a chord's members."""
    sent = chord([add.s(n, n) for n in range(tasks)], count.s())()
    return [one.id for one in sent.parent.results], sent.get


def measured(kind: str, tasks: int, client: Any) -> dict[str, float]:
    """What one task costs, one run long."""
    client.flushdb()
    began = time.perf_counter()
    ids, wait = (plain if kind == "plain" else whole)(tasks)
    found = {"send": time.perf_counter() - began}
    found["bytes"] = sum(map(len, client.lrange("celery", 0, -1))) / 1e6
    client.rename("celery", "aside")
    with tempfile.TemporaryFile("w+") as log:
        line = [sys.executable, "-m", "umbel", "-A", "workflows", "--quiet", "worker", "-c", "1", "-l", "WARNING"]
        path = {"PYTHONPATH": os.pathsep.join([str(BENCH), str(BENCH.parent)])}
        worker = subprocess.Popen(line, cwd=BENCH, stdout=log, stderr=log, env=os.environ | path)
        try:
            until(lambda: client.zcard("umbel:consumers") >= 2, "the worker")
            until(lambda: any(key.startswith(b"umbel:armed") for key in client.keys("umbel:*")), "a worker at rest")
            used, served = used_by(worker.pid), cpu(client)
            client.rename("aside", "celery")
            wait()
            until(lambda: client.exists("celery") == 0, "an empty queue")
            found["worker"], found["server"] = used_by(worker.pid) - used, cpu(client) - served
        finally:
            kill(worker)
    found["run"] = lasted(ids)
    return {name: value * 1e6 / tasks for name, value in found.items()}


def used_by(pid: int) -> float:
    """Seconds of processor time of a process and its descendants."""
    total = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def lasted(ids: list[str]) -> float:
    """Seconds from the first end to the last."""
    assert app.store is not None
    ends = [datetime.fromisoformat(one.date_done or "") for one in app.store.sync.read(ids).values()]
    assert len(ends) == len(ids)
    return (max(ends) - min(ends)).total_seconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=BENCH / "WORKFLOWS.md")
    given = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    with redis.Redis.from_url(REDIS) as client:
        for number in range(given.rounds):
            for kind in KINDS:
                runs[kind].append(measured(kind, given.tasks, client))
                shown = ", ".join(f"{name} {value:.1f}" for name, value in runs[kind][-1].items())
                print(f"round {number + 1} of {given.rounds}  {kind}  {shown}", flush=True)
    rows = []
    for name, said in UNITS.items():
        alone, member = (statistics.median(run[name] for run in runs[kind]) for kind in KINDS)
        rows.append(f"| {said} | {alone:.1f} | {member:.1f} | {member / alone:.2f} | {MUST.get(name, '')} |")
    python = platform.python_version()
    page = PAGE.format(rounds=given.rounds, tasks=given.tasks, cpus=os.cpu_count(), python=python, rows="\n".join(rows))
    given.out.write_text(page)
    print(page)


def on_a_server_of_its_own() -> int:
    """The same in another process, which imports the app where the server is known."""
    with tempfile.TemporaryDirectory(prefix="umbel-workflows-") as folder:
        server = RedisServer(Path(folder, "redis")).start()
        try:
            return subprocess.call([sys.executable, *sys.argv], env=os.environ | {"BENCH_REDIS": server.url(1)})
        finally:
            server.kill()


if __name__ == "__main__":
    if "BENCH_REDIS" not in os.environ:
        sys.exit(on_a_server_of_its_own())
    main()
