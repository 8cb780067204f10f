"""``umbel demo``: the main job on real files, in a folder of its own, with a process killed half-way."""

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import click

from umbel.app.results import AsyncResult
from umbel.cli.demo_tasks import FOLDER, LEDGER, Counts, app, measure
from umbel.cli.group import Command
from umbel.cli.ledger import Ledger, Start
from umbel.cli.progress import Progress
from umbel.cli.screen import json_option, refuse, show_json
from umbel.cli.session import session, stop_as_by_hand
from umbel.cli.tables import show_table
from umbel.core.errors import TimeoutError
from umbel.runtime.clock import SYSTEM, Clock

TICK = 0.002
"""Seconds between two looks at the ledger: a file takes some milliseconds, and one must be caught while it runs."""

STALLED = 60.0
"""Seconds without any progress after which the demo gives up."""

LARGEST = 10
SKIPPED = {"site-packages", "dist-packages", "__pycache__"}
SUMS: tuple[Literal["lines", "functions", "classes"], ...] = ("lines", "functions", "classes")


@dataclass
class Run:
    """One demo: the files, and what became of them."""

    root: Path
    files: list[Path]
    clock: Clock
    counts: dict[Path, Counts] = field(default_factory=dict)
    killed: Start | None = None
    again: int | None = None
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """Files without a result."""
        return len(self.files) - len(self.counts)

    def name(self, path: str | Path) -> str:
        """A file's path under the folder."""
        return str(Path(path).relative_to(self.root))


@click.command("demo", cls=Command)
@click.argument("path", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def command(path: Path | None, as_json: bool) -> int:
    """Measure every Python file under PATH with two processes, and kill one of them half-way.

    PATH is by default this Python's own library. No server is needed: messages and results are kept in a temporary
    folder.
    """
    root = (path or Path(sysconfig.get_path("stdlib"))).resolve()
    run = Run(root, python_files(root), SYSTEM)
    if not run.files:
        refuse(f"there are no Python files under {root}")
    quiet = as_json or session().quiet
    if not quiet:
        click.echo(f"{len(run.files):,} Python files under {root}: one task each, two processes, no server")
    with tempfile.TemporaryDirectory(prefix="umbel-demo-") as name, worker(Path(name)) as process:
        work(run, Path(name), process, Progress(len(run.files), quiet=quiet))
    agrees = conclude(run, as_json=as_json)
    return 1 if run.lost or not agrees else 0


def python_files(root: Path) -> list[Path]:
    """The Python files under a folder, without installed packages."""
    found: list[Path] = []
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in SKIPPED and not name.startswith("."))
        found += [Path(folder, name) for name in sorted(files) if name.endswith(".py") and Path(folder, name).is_file()]
    return found


@contextmanager
def worker(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker with two processes, in ``folder``; stopped at the end. Its URLs hold for this process too."""
    os.environ[FOLDER] = str(folder)
    os.environ["UMBEL_BROKER_URL"] = os.environ["UMBEL_RESULT_BACKEND"] = f"sqlite:///{folder / 'umbel.db'}"
    stop_as_by_hand()
    line = [sys.executable, "-m", "umbel", "-A", "umbel.cli.demo_tasks", "worker", "-c", "2"]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def work(run: Run, folder: Path, process: subprocess.Popen[bytes], progress: Progress) -> None:
    """Send a call per file, kill a process when half of them are done, and collect the results."""
    started = run.clock.monotonic()
    with app.bulk():
        calls = {path: measure.delay(str(path)) for path in run.files}
    ledger = Ledger(folder / LEDGER)
    with progress:
        for done in follow(run, ledger, process, folder / "worker.log"):
            progress.advance(done)
            report_kill(run, ledger, progress)
        collect(run, calls, ledger)
    run.seconds = run.clock.monotonic() - started


def follow(run: Run, ledger: Ledger, process: subprocess.Popen[bytes], log: Path) -> Iterator[int]:
    """Read the ledger until every file has ended, yielding how many have; half-way, kill. Ends early when stalled."""
    moved, before = run.clock.monotonic(), -1
    while before < len(run.files):
        ledger.read()
        if run.killed is None and len(ledger.ended) >= len(run.files) // 2:
            run.killed = ledger.kill_one()
        if len(ledger.ended) != before:
            moved, before = run.clock.monotonic(), len(ledger.ended)
            yield before
        if process.poll() is not None:
            refuse(f"the worker ended by itself (status {process.returncode}): {last_line(log)}")
        if run.clock.monotonic() - moved > STALLED:
            return
        run.clock.pause(TICK)


def report_kill(run: Run, ledger: Ledger, progress: Progress) -> None:
    """Say once who was killed, and once who did its work."""
    if run.killed is None or run.again is not None:
        return
    if not progress.said:
        progress.say(f"killed process {run.killed.pid} (SIGKILL) while it ran {run.name(run.killed.path)}")
    run.again = ledger.ran_again(run.killed)
    if run.again is not None:
        progress.say(f"process {run.again} ran {run.name(run.killed.path)} again")


def collect(run: Run, calls: dict[Path, AsyncResult[Counts]], ledger: Ledger) -> None:
    """Read the result of every file that ended; one that cannot be had is missing."""
    for path, call in calls.items():
        try:
            run.counts[path] = call.get(timeout=STALLED if str(path) in ledger.ended else 0)
        except TimeoutError:
            continue


def conclude(run: Run, *, as_json: bool) -> bool:
    """Print the table, the totals and the closing line; whether the totals agree with a walk of the folder."""
    sums = {key: sum(counts[key] for counts in run.counts.values()) for key in SUMS}
    walked = sum(map(lines_in, python_files(run.root)))
    agrees = walked == sums["lines"]
    if as_json:
        facts = {"files": len(run.files), "done": len(run.counts), "killed": int(run.killed is not None)}
        show_json({**facts, "lost": run.lost, **sums, "walked_lines": walked, "seconds": run.seconds})
        return agrees
    show_largest(run)
    rate = len(run.counts) / run.seconds
    verdict = "a walk of the folder counts the same" if agrees else f"but a walk of the folder counts {walked:,} lines"
    click.echo("total: " + ", ".join(f"{value:,} {key}" for key, value in sums.items()) + f"; {verdict}")
    unparsed = sum(counts["problem"] is not None for counts in run.counts.values())
    if unparsed:
        click.echo(f"not valid Python, so only their lines are counted: {unparsed} of the files")
    click.echo(f"rate: {rate:,.0f} files a second, {run.seconds:.1f} s in all")
    click.echo(closing_line(run))
    click.echo("next: umbel new")
    return agrees


def closing_line(run: Run) -> str:
    """The demo in a line; scripts read it."""
    killed = "0 processes" if run.killed is None else "1 process"
    return f"demo: {len(run.counts)} of {len(run.files)} files done, {killed} killed, {run.lost} lost"


def show_largest(run: Run) -> None:
    """The modules with the most lines."""
    largest = sorted(run.counts.items(), key=lambda item: -item[1]["lines"])[:LARGEST]
    rows = [
        (
            run.name(path),
            *(of[key] for key in SUMS),
            f"{of['longest']} ({of['longest_lines']})" if of["longest"] else "",
        )
        for path, of in largest
    ]
    show_table(("largest modules", *SUMS, "longest function (lines)"), rows, numbers=SUMS)


def lines_in(path: Path) -> int:
    """The lines of a file, counted without Umbel."""
    with path.open(encoding="latin-1") as file:
        return sum(1 for _ in file)


def last_line(log: Path) -> str:
    """What a worker said last."""
    lines = log.read_text(errors="replace").rstrip().splitlines()
    return lines[-1] if lines else "it said nothing"
