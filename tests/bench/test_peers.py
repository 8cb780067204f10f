"""The comparison with the peers in its short form: that every side still works, not how fast anything is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers import NoServer, binary

ROOT = Path(__file__).parents[2]
RUN = ROOT / "bench/peers/run.py"
PEERS = {"umbel", "celery", "celery_solo", "dramatiq", "taskiq", "huey", "rq", "arq", "saq", "streaq"}
INSTALLS = 300
"""Seconds for the first run, which builds the environments of the peers."""


@pytest.fixture(autouse=True)
def needs_a_server() -> None:
    try:
        binary()
    except NoServer as exc:
        if os.environ.get("CI"):
            pytest.fail(str(exc), pytrace=False)
        pytest.skip(str(exc))


def short(folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    """The figures and the page of a short run."""
    figures, page = folder / "figures.json", folder / "PEERS.md"
    line = [sys.executable, str(RUN), "--short", "--figures", str(figures), "--out", str(page), *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=INSTALLS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(figures.read_text()), page.read_text()


@pytest.mark.slow
@pytest.mark.timeout(2 * INSTALLS)
def test_every_peer_enqueues_drains_and_answers(tmp_path: Path) -> None:
    figures, page = short(tmp_path)
    runs = figures["peers"]["runs"]
    assert runs.keys() == {*PEERS, "limit"}
    for peer in PEERS:
        wanted = {"enqueue", "drain_results", "start_up", "idle", "idle_all", "memory", "p50", "p99"}
        assert runs[peer].keys() == wanted, peer
        assert all(runs[peer][figure][0] > 0 for figure in wanted - {"idle", "idle_all"}), peer
        assert f"| {peer} |" in page
        assert f"**{peer}.**" in page
    assert "| drain with results, times Celery |" in page


@pytest.mark.slow
@pytest.mark.timeout(2 * INSTALLS)
def test_tasks_that_wait_run_on_every_lane_that_a_peer_has_for_them(tmp_path: Path) -> None:
    figures, page = short(tmp_path, "--peers", "umbel,celery,dramatiq,taskiq", "--measures", "io")
    rates = {(peer, name) for peer, of in figures["peers"]["runs"].items() for name, (rate,) in of.items() if rate > 0}
    assert rates == {
        *(("umbel", f"io {lane}") for lane in ("asyncio", "gevent", "threads")),
        *(("dramatiq", f"io {lane}") for lane in ("gevent", "threads")),
        ("celery", "io gevent"),
        ("taskiq", "io asyncio"),
    }
    assert "| celery, gevent |" in page


@pytest.mark.slow
@pytest.mark.timeout(2 * INSTALLS)
def test_what_is_not_measured_again_stays(tmp_path: Path) -> None:
    short(tmp_path, "--peers", "umbel", "--measures", "bulk")
    figures, _ = short(tmp_path, "--peers", "umbel,rq", "--measures", "drain,spin")
    runs = figures["peers"]["runs"]
    assert runs["umbel"].keys() == {"bulk", "drain", "spin"}
    assert runs["rq"].keys() == {"drain", "spin"}


@pytest.mark.slow
@pytest.mark.timeout(2 * INSTALLS)
def test_umbel_alone_is_measured_with_a_backlog_and_with_idle_consumers(tmp_path: Path) -> None:
    short(tmp_path, "--backlog")
    _, page = short(tmp_path, "--consumers")
    assert "| claim of 64, µs |" in page
    assert "idle consumers" in page
