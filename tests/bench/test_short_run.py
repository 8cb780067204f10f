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


@pytest.mark.parametrize("script", ["limit.py", "umbel_sqlite.py"])
def test_each_side_measures_both_ways(script: str) -> None:
    rates = json.loads(run(script, "--tasks", "200"))
    assert rates.keys() >= {"enqueue", "drain"}
    assert min(rates.values()) > 0


def test_the_run_writes_ratios(tmp_path: Path) -> None:
    run("run.py", "--rounds", "1", "--tasks", "200", "--out", str(tmp_path / "RESULTS.md"))
    written = (tmp_path / "RESULTS.md").read_text()
    assert "| drain |" in written
    assert "| enqueue |" in written
