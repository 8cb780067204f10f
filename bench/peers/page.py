"""PEERS.md: figures into tables. Pure but for the reading and writing of the figures that are kept between runs."""

import json
import os
import platform
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from peers.machine import has_realtime

Runs = dict[str, dict[str, list[float]]]
"""Per peer and figure: the value of each round."""

COLUMNS = {
    "drain": "drain, tasks/s",
    "drain_results": "drain with results",
    "enqueue": "enqueue, one by one, /s",
    "bulk": "in bulk, /s",
    "p50": "round trip p50, ms",
    "p99": "p99, ms",
    "idle": "commands/s while idle",
    "idle_all": "with those in scripts",
    "spin": "1 ms tasks, own share",
    "memory": "memory, MB",
    "start_up": "start-up, s",
}
RATES = {"drain", "drain_results", "enqueue", "bulk"}
NOISY = 1.3
"""Rounds that lie further apart than this measured the machine's other work too."""
LOWER_IS_BETTER = {"p50", "p99", "idle", "idle_all", "memory", "start_up"}
DIGITS = {"p50": 2, "p99": 2, "idle": 2, "idle_all": 1, "spin": 2, "memory": 1, "start_up": 2}

PYTHON_PEERS = ("dramatiq", "taskiq", "huey", "rq", "arq", "saq", "streaq")

PAGE = """\
# Umbel beside its peers on Redis

By `make bench-peers`: medians of {taken}.
All take turns, measure by measure, on one Redis of their own on the loopback, without persistence; every round begins
with another peer. One worker process each. Absolute figures are those of one machine on one day; the ratios are what is
held. {machine}

{table}

Umbel against each of them: how many times better its figure is (below 1: worse).

{ratios}

| what must hold | measured | must be | |
|---|---:|---:|---|
{musts}

## Tasks that wait

{naps}

## How it is measured

- *Drain*: the queue is full before the worker starts; every 50th task notes the time when it runs, and the rate is
  taken between those notes, without the first tenth. Start-up is not in it.
- *Enqueue*: one producer into an empty queue that nobody reads, no result store. *Bulk*: 1,000 messages per call, where
  the peer has a call for it.
- *Round trip*: enqueue, run, result in the caller's hand, on a worker that has been idle for 5 to 15 ms, by the peer's
  own way to wait. *Idle*: commands that clients sent (and those that ran inside of scripts) while the worker had
  nothing to do.
- *1 ms tasks*: loops of pure Python; the share of the time in which they, and not the library, had a processor.
- *Tasks that wait*: 10,000 tasks wait 10 ms each, 200 at once, in one process: more than 20,000 a second there cannot
  be. Each on the lanes that it has for this; asynchronous tasks with `asyncio.sleep`, all others with `time.sleep`. The
  queue is full before, no results; the rate is taken between notes, as for *drain*.
- *Memory*: proportional set size of the worker's processes, after start and one task. *Start-up*: from the command to
  its first task.
- *limit* is [limit_redis.py](limit_redis.py): an I/O thread and a lane over bare Redis, and nothing else of a worker.
{deep}
## Settings

{settings}
## Spread

Lowest to highest of the rounds.

{spread}
"""


def shown(figure: str, value: float) -> str:
    return f"{value:,.{DIGITS.get(figure, 0)}f}"


def medians(runs: Runs) -> dict[str, dict[str, float]]:
    rows = sorted(runs, key=lambda peer: (peer != "limit", peer != "umbel"))
    return {peer: {name: statistics.median(values) for name, values in runs[peer].items()} for peer in rows}


def table(cells: dict[str, dict[str, str]], columns: dict[str, str]) -> str:
    lines = ["| | " + " | ".join(columns.values()) + " |", "|---|" + "---:|" * len(columns)]
    lines += [f"| {row} | " + " | ".join(cells[row].get(name, "") for name in columns) + " |" for row in cells]
    return "\n".join(lines)


def better(figure: str, umbel: float, other: float) -> float:
    """How many times better Umbel's figure is."""
    low, high = (umbel, other) if figure in LOWER_IS_BETTER else (other, umbel)
    return high / low


def ratios(middle: dict[str, dict[str, float]]) -> str:
    umbel = middle.get("umbel", {})
    cells = {
        peer: {
            name: f"{better(name, umbel[name], value):,.2f}" for name, value in of.items() if value and umbel.get(name)
        }
        for peer, of in middle.items()
        if peer != "umbel"
    }
    return table(cells, COLUMNS)


def naps(middle: dict[str, dict[str, float]]) -> str:
    """The tasks that wait, lane by lane, and how many times quicker each lane of Umbel is."""
    rates = {
        (peer, figure.removeprefix("io ")): value
        for peer, of in middle.items()
        for figure, value in of.items()
        if figure.startswith("io ")
    }
    own = {lane: rate for (peer, lane), rate in rates.items() if peer == "umbel"}
    cells = {
        f"{peer}, {lane}": {"rate": shown("", rate), **{each: f"{value / rate:,.2f}" for each, value in own.items()}}
        for (peer, lane), rate in rates.items()
    }
    return table(cells, {"rate": "tasks/s", **{lane: f"umbel, {lane}: times" for lane in own}})


def nap_musts(middle: dict[str, dict[str, float]]) -> Iterator[tuple[str, float | None, float, bool]]:
    """The lanes for tasks that wait against the best of the others."""
    others = [peer for peer in middle if peer != "umbel"]
    best = max((rate for peer in others for name, rate in middle[peer].items() if name.startswith("io ")), default=0.0)
    for lane in ("asyncio", "gevent"):
        rate = middle.get("umbel", {}).get(f"io {lane}")
        yield f"200 tasks of 10 ms at once on {lane}, times the best other", over(rate, best), 3, True


def musts(middle: dict[str, dict[str, float]]) -> str:
    """The budgets that concern Redis, each with what was measured."""
    umbel, celery, limit = (middle.get(name, {}) for name in ("umbel", "celery", "limit"))
    rows: list[tuple[str, float | None, float, bool]] = []
    for figure, words in (("drain", "drain"), ("drain_results", "drain with results")):
        best = max((middle[peer].get(figure, 0.0) for peer in PYTHON_PEERS if peer in middle), default=0.0)
        rows.append((f"{words}, of the limit", over(umbel.get(figure), limit.get(figure)), 0.5, True))
        rows.append((f"{words}, times Celery", over(umbel.get(figure), celery.get(figure)), 25, True))
        rows.append((f"{words}, times the best other peer", over(umbel.get(figure), best), 10, True))
    rows.append(("enqueue, times Celery", over(umbel.get("enqueue"), celery.get("enqueue")), 5, True))
    rows.append(("bulk, times Celery one by one", over(umbel.get("bulk"), celery.get("enqueue")), 30, True))
    rows.append(("round trip p50, of Celery's", over(umbel.get("p50"), celery.get("p50")), 1 / 3, False))
    rows.append(("commands a second while idle", umbel.get("idle"), 1, False))
    rows.append(("1 ms tasks, own share", umbel.get("spin"), 0.9, True))
    rows.extend(nap_musts(middle))
    return "\n".join(must(*row) for row in rows)


def over(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None


def must(words: str, value: float | None, bound: float, at_least: bool) -> str:
    sign = "≥" if at_least else "≤"
    if value is None:
        return f"| {words} | | {sign} {bound:.3g} | not measured |"
    holds = value >= bound if at_least else value <= bound
    return f"| {words} | {value:.2f} | {sign} {bound:.3g} | {'holds' if holds else '**missed**'} |"


def written(figures: dict[str, Any]) -> str:
    """The whole page, of what has been measured so far."""
    of = figures.get("peers", {"runs": {}, "failed": {}, "settings": {}, "taken": {}, "machine": ""})
    middle = medians(of["runs"])
    cells = {peer: {name: shown(name, value) for name, value in row.items()} for peer, row in middle.items()}
    spread = {
        peer: {name: f"{shown(name, min(values))} to {shown(name, max(values))}" for name, values in row.items()}
        for peer, row in of["runs"].items()
    }
    failed = [f"- **did not run:** {what}: {why.splitlines()[-1]}" for what, why in of["failed"].items()]
    settings = "\n\n".join(f"**{name}.** {told}" for name, told in of["settings"].items())
    return PAGE.format(
        taken=taken(of["taken"]),
        machine="\n".join([of["machine"], *doubts(of["runs"]), *failed]),
        table=table(cells, COLUMNS),
        ratios=ratios(middle),
        musts=musts(middle),
        naps=naps(middle),
        deep="".join(figures.get(part, {}).get("page", "") for part in ("backlog", "consumers")),
        settings=settings + "\n",
        spread=table(spread, COLUMNS),
    )


def doubts(runs: Runs) -> list[str]:
    """Which rates should not be believed: something else was running beside them."""
    apart = {
        f"{COLUMNS[name]} of {peer}": max(values) / min(values)
        for peer, of in runs.items()
        for name, values in of.items()
        if name in RATES and min(values) > 0
    }
    told = [f"{what} ({times:.1f} times)" for what, times in apart.items() if times > NOISY]
    return [f"\n**Measured beside other work:** rounds lie far apart for {', '.join(told)}."] if told else []


def taken(of: dict[str, str]) -> str:
    """How long was measured, in words: ``3 rounds of 10 s (drain, enqueue)``."""
    spans: dict[str, list[str]] = {}
    for measure, span in of.items():
        spans.setdefault(span, []).append(measure)
    return " and ".join(f"{span} ({', '.join(measures)})" for span, measures in spans.items())


def machine(bench: Any) -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    ahead = "Everything measured, Redis too, ran ahead of the machine's other work (`chrt -r 20`)."
    beside = "Nothing kept the machine's other work away."
    redis = bench.redis.info("server")["redis_version"]
    where = f"{python}, Redis {redis}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs."
    return f"{where} {ahead if bench.realtime and has_realtime() else beside}"


def merged(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """What was measured now, and from earlier runs what was not repeated."""
    if before is None:
        return now
    runs = {peer: {**before["runs"].get(peer, {}), **of} for peer, of in now["runs"].items()}
    kept = {name: before[name] | now[name] for name in ("settings", "taken")}
    return {**now, "runs": before["runs"] | runs, **kept}


def kept(path: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return figures


def keep(path: Path, figures: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1))
