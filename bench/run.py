"""Umbel beside the ceiling of a bare SQLite file: interleaved runs, medians, ratios, written to RESULTS.md.

Absolute figures are those of one machine on one day. The ratios are what is held: drain at least 0.4 of the ceiling.
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
MEASURES = ("drain", "enqueue")
MUST = {"drain": 0.4}

PAGE = """\
# SQLite, one process

By `make bench`: {rounds} interleaved rounds of {tasks:,} no-op tasks with stored results, medians.
{machine}

| | limit.py, per second | Umbel, per second | ratio | must reach | per task: limit | Umbel |
|---|---:|---:|---:|---:|---:|---:|
{rows}

*Drain*: claim, run, settle, from the first task to the last, every feature on, log level WARNING. *Enqueue*: one
transaction per call, `delay()` in a loop. The limit is an I/O thread and a lane over a bare file: [limit.py](limit.py).
"""


def measure(side: str, tasks: int) -> dict[str, float]:
    line = [sys.executable, str(HERE / SIDES[side]), "--tasks", str(tasks)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{SIDES[side]} failed:\n{done.stderr}")
    rates: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return rates


def medians(rounds: int, tasks: int) -> dict[str, dict[str, float]]:
    """Median rate per side and measure; the sides take turns, so that a noisy minute hits both."""
    seen: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for number in range(rounds):
        for side, runs in seen.items():
            runs.append(measure(side, tasks))
            shown = ", ".join(f"{name} {runs[-1][name]:,.0f}/s" for name in MEASURES)
            print(f"round {number + 1} of {rounds}  {side:<6} {shown}", flush=True)
    return {
        side: {name: statistics.median(run[name] for run in runs) for name in MEASURES} for side, runs in seen.items()
    }


def row(name: str, limit: float, umbel: float) -> str:
    ratio = f"{umbel / limit:.2f}"
    must = f"{MUST[name]:.1f}" if name in MUST else ""
    return f"| {name} | {limit:,.0f} | {umbel:,.0f} | {ratio} | {must} | {1e6 / limit:.1f} µs | {1e6 / umbel:.1f} µs |"


def machine() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"{python}, SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=60_000)
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    options = parser.parse_args()
    found = medians(options.rounds, options.tasks)
    rows = "\n".join(row(name, found["limit"][name], found["umbel"][name]) for name in MEASURES)
    options.out.write_text(PAGE.format(rounds=options.rounds, tasks=options.tasks, machine=machine(), rows=rows))
    print(f"\n{rows}\n\nwritten to {options.out}")


if __name__ == "__main__":
    main()
