"""``make crash``: every pair of adapter and lane under its schedule, and the table of it in ``docs/reliability.md``.

    python -m tests.crash.run [--seed N] [--strikes N] [--tasks N] [--gap SECONDS] [--only ADAPTER:LANE …] [--at-once N]

The folder of a pair in which something was broken is kept: its ledgers have the proof.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.crash.page import write
from tests.crash.schedule import ADAPTERS, LANES
from umbel.runtime.clock import SYSTEM

ROOT = Path(__file__).parents[2]
TOTAL, TASKS, FAULTS = 2000, 3000, 60
"""What a full run has at least: faults in all, and tasks and faults of each pair."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Break everything on purpose, and count what it cost.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--strikes", type=int, default=180)
    parser.add_argument("--least", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--gap", type=float, default=0.4)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--again", type=Path, help="the folder of a run: only pairs that had problems there run again")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "reliability.md")
    return parser.parse_args()


def run_pair(given: argparse.Namespace, folder: Path, adapter: str, lane: str) -> dict[str, Any]:
    """In a process of its own. What it printed is shown if it failed."""
    out, place = folder / f"{adapter}-{lane}.json", folder / f"{adapter}-{lane}"
    options = {name: getattr(given, name) for name in ("seed", "strikes", "least", "tasks", "gap")}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [
        sys.executable,
        "-m",
        "tests.crash.pair",
        adapter,
        lane,
        *words,
        "--out",
        str(out),
        "--folder",
        str(place),
    ]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if not out.exists():
        return {"adapter": adapter, "lane": lane, "problems": [done.stdout + done.stderr]}
    row: dict[str, Any] = json.loads(out.read_text())
    say(f"{adapter} {lane}: {_line(row)}")
    for problem in row["problems"]:
        say(f"  {problem}")
    if not row["problems"]:
        shutil.rmtree(place, ignore_errors=True)
    return row


def _line(row: dict[str, Any]) -> str:
    doubled = f"{row['duplicates']} of {row['bound']} duplicates"
    faults = sum(row["faults"].values())
    done = f"{row['tasks']} tasks, {faults} faults, {row['lost']} lost, {doubled}"
    return f"{done}, {row['recovery']} s, in {row['seconds']} s"


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def kept_rows(folder: Path) -> list[dict[str, Any]]:
    """What pairs of an earlier run came to that had no problem."""
    rows = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return [row for row in rows if not row["problems"]]


def shortfalls(rows: list[dict[str, Any]], given: argparse.Namespace) -> list[str]:
    """What a full run must have and this one has not."""
    found = []
    for row in rows:
        name = f"{row['adapter']} {row['lane']}"
        counts = Counter(row["faults"])
        if row["tasks"] < TASKS or counts.total() < FAULTS:
            found.append(f"{name}: {row['tasks']} tasks and {counts.total()} faults are too few")
        rare = {kind: count for kind, count in counts.items() if count < given.least and kind != "starved"}
        if rare:
            found.append(f"{name}: too rare are {rare}")
    if sum(sum(row["faults"].values()) for row in rows) < TOTAL:
        found.append("there were too few faults in all")
    return found


def main() -> int:
    given = arguments()
    pairs = [(adapter, lane) for lane in LANES for adapter in ADAPTERS]
    chosen = [pair for pair in pairs if not given.only or ":".join(pair) in given.only]
    kept = kept_rows(given.again) if given.again else []
    chosen = [pair for pair in chosen if pair not in {(row["adapter"], row["lane"]) for row in kept}]
    folder = Path(tempfile.mkdtemp(prefix="umbel-crash-"))
    began, load = SYSTEM.monotonic(), os.getloadavg()[0]
    with ThreadPoolExecutor(given.at_once) as pool:
        rows = list(pool.map(lambda pair: run_pair(given, folder, *pair), chosen))
    for row in rows if kept else ():
        row["again"] = True
    rows = sorted(kept + rows, key=lambda row: pairs.index((row["adapter"], row["lane"])))
    whole = [row for row in rows if "tasks" in row]
    problems = [f"{row['adapter']} {row['lane']}: {problem}" for row in rows for problem in row["problems"]]
    if not given.only:
        problems += shortfalls(whole, given)
        write(given.page, whole, seed=given.seed, load=load, problems=len(problems))
    say(f"{sum(sum(row['faults'].values()) for row in whole)} faults in {SYSTEM.monotonic() - began:.0f} s")
    for problem in problems:
        say(problem)
    if problems:
        say(f"{len(problems)} problems. The ledgers are in {folder}.")
    else:
        shutil.rmtree(folder)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
