"""Umbel beside the ceiling of a bare SQLite file: interleaved runs, medians, ratios, written to RESULTS.md.

Absolute figures are those of one machine on one day. The ratios are what is held: see ``MUST``.
"""

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SIDES = {"limit": "limit.py", "umbel": "umbel_sqlite.py"}
BESIDE = ("drain", "drain without results", "delay()", "app.bulk()")
"""Rates per second that both sides have."""
ALONE = ("drain, acknowledged early", "drain at log level INFO", "round trip", "idle CPU", "1 ms tasks")
MUST = {"drain": 0.4}
UNITS = {"round trip": "{:.1f} ms", "idle CPU": "{:.1%} of a core", "1 ms tasks": "{:.0%} of the time"}
BY_HAND = "## What a task costs"
NOISY = 1.3
"""Runs of one kind that lie further apart than this measured the machine's other work too."""

PAGE = """\
# SQLite, one process

By `make bench`: {rounds} interleaved rounds of {tasks:,} no-op tasks, medians (lowest to highest).
{machine}

| per second | limit.py | Umbel | ratio | must reach | per task: limit | Umbel |
|---|---:|---:|---:|---:|---:|---:|
{beside}

| | Umbel |
|---|---:|
{alone}

*Drain*: claim, run, settle, from the first task to the last, results stored, every feature on, log level WARNING.
*delay()*: a loop, one transaction per call. *app.bulk()*: a thousand calls in each. *Round trip*: from `delay` to `get`
on an idle worker. *1 ms tasks*: the share of the worker's time that goes into tasks of pure Python that take 1 ms each.
The limit is an I/O thread and a lane over a bare file, with the same durability: [limit.py](limit.py).
"""


def measure(side: str, tasks: int) -> dict[str, float]:
    line = [sys.executable, str(HERE / SIDES[side]), "--tasks", str(tasks)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{SIDES[side]} failed:\n{done.stderr}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def figures(rounds: int, tasks: int) -> dict[str, dict[str, list[float]]]:
    """The figures per side and measure; the sides take turns, so that a noisy minute hits both."""
    seen: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for number in range(rounds):
        for side, runs in seen.items():
            runs.append(measure(side, tasks))
            shown = ", ".join(f"{name} {told(name, value)}" for name, value in runs[-1].items())
            print(f"round {number + 1} of {rounds}  {side:<6} {shown}", flush=True)
    return {side: {name: [run[name] for run in runs] for name in runs[0]} for side, runs in seen.items()}


def told(name: str, value: float) -> str:
    return UNITS.get(name, "{:,.0f}/s").format(value)


def beside(name: str, limit: list[float], umbel: list[float]) -> str:
    """One line of the first table: medians, their ratio, and how far the runs lay apart."""
    ceiling, reached = statistics.median(limit), statistics.median(umbel)
    must = f"{MUST[name]:.1f}" if name in MUST else ""
    cost = f"{1e6 / ceiling:.1f} µs | {1e6 / reached:.1f} µs"
    return f"| {name} | {span(limit)} | {span(umbel)} | {reached / ceiling:.2f} | {must} | {cost} |"


def alone(name: str, umbel: list[float]) -> str:
    """One line of the second table."""
    low, middle, high = (told(name, value) for value in (min(umbel), statistics.median(umbel), max(umbel)))
    return f"| {name} | {middle} ({low} to {high}) |"


def span(runs: list[float]) -> str:
    return f"{statistics.median(runs):,.0f} ({min(runs):,.0f} to {max(runs):,.0f})"


def doubts(found: dict[str, dict[str, list[float]]]) -> list[str]:
    """Why these figures should not be believed: something else was running beside them."""
    apart = max(max(runs) / min(runs) for side in found.values() for runs in map(side.get, BESIDE) if runs)
    return [f"**Measured beside other work:** runs of one kind lie {apart:.1f} times apart."] if apart > NOISY else []


def machine() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"{python}, SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs."
    )


def by_hand(out: Path) -> str:
    """What people wrote below the tables; it is kept."""
    old = out.read_text() if out.exists() else ""
    at = old.find(BY_HAND)
    return "" if at < 0 else f"\n{old[at:]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=60_000)
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    options = parser.parse_args()
    found = figures(options.rounds, options.tasks)
    tables = {
        "beside": "\n".join(beside(name, found["limit"][name], found["umbel"][name]) for name in BESIDE),
        "alone": "\n".join(alone(name, found["umbel"][name]) for name in ALONE),
    }
    described = "\n".join([machine(), *doubts(found)])
    page = PAGE.format(rounds=options.rounds, tasks=options.tasks, machine=described, **tables)
    options.out.write_text(page + by_hand(options.out))
    print("\n".join(["", *tables.values(), *doubts(found), f"written to {options.out}"]))


if __name__ == "__main__":
    main()
