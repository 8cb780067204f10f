"""The tables of a run, written into a page between two markers."""

import os
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.crash.fleet import LEASE
from tests.crash.pair import BOUND, GRACE
from umbel.runtime.clock import SYSTEM

BEGIN, END = "<!-- make crash: begin -->", "<!-- make crash: end -->"
ROOT = Path(__file__).parents[2]


def write(path: Path, rows: list[dict[str, Any]], *, seed: int, load: float, problems: int) -> None:
    """Replace what stands between the markers."""
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    parts = [_about(rows, seed, load, problems), _pairs(rows), _kinds(rows)]
    path.write_text("\n".join([before + BEGIN + "\n", "\n\n".join(parts), "\n" + END + after]))


def _about(rows: list[dict[str, Any]], seed: int, load: float, problems: int) -> str:
    date = datetime.fromtimestamp(SYSTEM.now(), UTC).strftime("%Y-%m-%d %H:%M UTC")
    command = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    minutes = sum(row["seconds"] for row in rows) / 120
    faults = sum(sum(row["faults"].values()) for row in rows)
    idle = sum(row["idle"] for row in rows)
    again = [f"{row['adapter']} {row['lane']}" for row in rows if row.get("again")]
    repeated = f" These pairs had problems in the first attempt and ran again: {', '.join(again)}." if again else ""
    return (
        f"{date}, commit `{commit}`, seed {seed}: {sum(row['tasks'] for row in rows):,} tasks, {faults:,} faults in "
        f"{minutes:.0f} minutes, two pairs at once, on {os.cpu_count()} processors (load {load:.1f} before, "
        f"{os.getloadavg()[0]:.1f} at the end). {_lost(rows)}, {problems or 'no'} problems. {idle} blows met an idle "
        f"process and do not count. Leases of {LEASE:g} s: recoveries must come within {BOUND:g} s, and {GRACE:g} s "
        f"of grace for a full machine.{repeated}"
    )


def _lost(rows: list[dict[str, Any]]) -> str:
    return f"**{sum(row['lost'] for row in rows)} lost**"


def _pairs(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| adapter | lane | tasks | faults | lost | duplicates | their bound | slowest recovery | slowest raise |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        raised = f"{row['raise']:.2f} s" if row["raise"] else "none raised"
        lines.append(
            f"| {row['adapter']} | {row['lane']} | {row['tasks']:,} | {sum(row['faults'].values())} | {row['lost']} | "
            f"{row['duplicates']} | {row['bound']} | {row['recovery']:.2f} s | {raised} |"
        )
    return "\n".join(lines)


def _kinds(rows: list[dict[str, Any]]) -> str:
    totals: dict[str, Counter[str]] = {}
    for row in rows:
        for kind, count in row["faults"].items():
            totals.setdefault(kind, Counter())[f"{row['adapter']} {row['lane']}"] += count
    names = [f"{row['adapter']} {row['lane']}" for row in rows]
    lines = ["| fault | " + " | ".join(names) + " |", "|---|" + "--:|" * len(names)]
    lines += [
        f"| {kind} | " + " | ".join(str(totals[kind][name] or "") for name in names) + " |" for kind in sorted(totals)
    ]
    return "\n".join(lines)
