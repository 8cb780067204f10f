"""``umbel demo``: the ledger that tells who runs what, and the run as a whole."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run as Umbel
from tests.cli.terminal import small_library
from umbel.cli.demo import Run, closing_line, lines_in, python_files
from umbel.cli.demo_tasks import count
from umbel.cli.ledger import Ledger, Start
from umbel.runtime.clock import SYSTEM


def write(path: Path, *lines: tuple[str, int, str]) -> None:
    with path.open("a") as file:
        file.writelines("\t".join(map(str, line)) + "\n" for line in lines)


def test_the_ledger_knows_who_runs_what(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.read()
    write(ledger.file, ("start", 1, "a"), ("start", 2, "b"), ("end", 1, "a"), ("start", 1, "c"))
    ledger.read()
    assert (ledger.running, ledger.ended) == ({1: "c", 2: "b"}, {"a"})
    with ledger.file.open("a") as file:
        file.write("end\t2\tb")
    ledger.read()
    assert ledger.ended == {"a"}, "a line that is not whole is not read"


def test_who_ran_a_file_again_is_the_first_to_start_it_after_the_killed_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    write(ledger.file, ("start", 1, "a"), ("start", 2, "b"))
    ledger.read()
    assert ledger.ran_again(Start(1, "a")) is None
    write(ledger.file, ("end", 2, "b"), ("start", 2, "a"))
    ledger.read()
    assert ledger.ran_again(Start(1, "a")) == 2


def test_only_a_process_that_runs_a_file_is_killed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        write(ledger.file, ("start", process.pid, "a"))
        ledger.read()
        write(ledger.file, ("end", process.pid, "a"))
        assert ledger.kill_one() is None, "it had ended the file by the time it stood still"
        assert process.poll() is None
        write(ledger.file, ("start", process.pid, "b"))
        ledger.read()
        assert ledger.kill_one() == Start(process.pid, "b")
        assert process.wait() == -signal.SIGKILL


def test_a_file_is_counted() -> None:
    counted = count(b"class A:\n    def f(self):\n        pass\n\nasync def g(): ...\n")
    assert counted == {
        "lines": 5, "functions": 2, "classes": 1, "longest": "f", "longest_lines": 2, "problem": None,
    }  # fmt: skip
    assert count(b"print 'two'\n")["problem"] is not None


@pytest.mark.parametrize("source", [b"", b"a", b"a\n", b"a\r\nb\rc\n\nd"])
def test_two_ways_to_count_lines_agree(tmp_path: Path, source: bytes) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(source)
    assert count(source)["lines"] == lines_in(path)


def test_installed_packages_and_links_to_nowhere_are_left_out(tmp_path: Path) -> None:
    for name in ("a.py", "site-packages/b.py", ".hidden/c.py", "d/e.py", "d/f.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    assert [str(path.relative_to(tmp_path)) for path in python_files(tmp_path)] == ["a.py", "d/e.py"]


def test_the_closing_line_says_what_is_missing(tmp_path: Path) -> None:
    run = Run(tmp_path, [tmp_path / name for name in "abc"], SYSTEM)
    run.counts = {path: count(b"") for path in run.files}
    assert closing_line(run) == "demo: 3 of 3 files done, 0 processes killed, 0 lost"
    run.killed = Start(1, "a")
    del run.counts[tmp_path / "b"]
    assert closing_line(run) == "demo: 2 of 3 files done, 1 process killed, 1 lost"


def test_a_folder_without_python_is_one_line(umbel: Umbel, folder: Path) -> None:
    done = umbel("demo", str(folder))
    assert (done.returncode, done.stderr) == (1, f"umbel: there are no Python files under {folder}\n")
    assert umbel("demo", "nonesuch").returncode == 2


@pytest.mark.slow
def test_it_ends_with_nothing_lost(umbel: Umbel, folder: Path) -> None:
    library = small_library(folder)
    files = len(python_files(library))
    done = umbel("demo", str(library))
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[-2:] == [f"demo: {files} of {files} files done, 1 process killed, 0 lost", "next: umbel new"]
    killed = next(line.split() for line in lines if "killed process" in line)
    again = next(line.split() for line in lines if line.endswith(" again"))
    assert killed[-1] == again[-2]
    assert killed[2] != again[1]
    assert "a walk of the folder counts the same" in done.stdout
    assert "only their lines are counted: 1 of the files" in done.stdout


@pytest.mark.slow
def test_json(umbel: Umbel, folder: Path) -> None:
    shown = json.loads(umbel("demo", str(small_library(folder)), "--json").stdout)
    assert (shown["lost"], shown["killed"]) == (0, 1)
    assert shown["lines"] == shown["walked_lines"]


def test_temporary_folders_are_removed(umbel: Umbel, folder: Path) -> None:
    (folder / "one.py").write_text("x = 1\n")
    scratch = folder / "scratch"
    scratch.mkdir()
    assert umbel("demo", ".", TMPDIR=str(scratch)).returncode == 0
    assert list(scratch.iterdir()) == []
