"""The benchmarks in their short form: that they work, not how fast anything is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


def run(script: str, *words: str) -> str:
    line = [sys.executable, str(BENCH / script), *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


BESIDE = {"drain", "drain without results", "delay()", "app.bulk()"}
ALONE = {"drain, acknowledged early", "drain at log level INFO", "round trip", "idle CPU", "1 ms tasks"}


@pytest.mark.parametrize(("script", "measures"), [("limit.py", BESIDE), ("umbel_sqlite.py", BESIDE | ALONE)])
def test_each_side_measures_all_that_it_can(script: str, measures: set[str]) -> None:
    figures = json.loads(run(script, "--tasks", "200"))
    assert figures.keys() == measures
    assert min(figures[name] for name in measures - {"idle CPU"}) > 0


def test_workflows_are_measured_beside_plain_tasks(tmp_path: Path) -> None:
    """What is sent does not depend on the machine, so that is held here too."""
    run("workflows.py", "--rounds", "1", "--tasks", "500", "--out", str(tmp_path / "WORKFLOWS.md"))
    (row,) = [line for line in (tmp_path / "WORKFLOWS.md").read_text().splitlines() if line.startswith("| bytes sent")]
    ratio, most = (float(cell) for cell in row.split("|")[4:6])
    assert ratio <= most


def test_the_run_writes_ratios(tmp_path: Path) -> None:
    run("run.py", "--rounds", "1", "--tasks", "200", "--out", str(tmp_path / "RESULTS.md"))
    written = (tmp_path / "RESULTS.md").read_text()
    assert all(f"| {name} |" in written for name in BESIDE | ALONE)
