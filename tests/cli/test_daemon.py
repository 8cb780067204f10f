"""A worker in the background: detached, with pid and log files, as another user."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.worker.fleet import until

WORKER = ("-A", "tasks", "worker", "-c", "1", "-n", "one@box", "-l", "INFO")
FILES = ("--pidfile", "%n.pid", "--logfile", "%h-%n%I.log")


@pytest.fixture
def pid_path(folder: Path) -> Iterator[Path]:
    """Where a detached worker of the test has its number. It is ended with the test."""
    path = folder / "one.pid"
    yield path
    if path.exists():
        pid = int(path.read_text())
        os.kill(pid, signal.SIGTERM)
        until(lambda: not _lives(pid), what="the detached worker has ended")


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]


def test_a_detached_worker_works_and_writes_its_files(umbel: Run, tasks: Path, folder: Path, pid_path: Path) -> None:
    done = umbel(*WORKER, *FILES, "-D")
    assert (done.returncode, done.stderr) == (0, "")
    assert "one@box" in done.stdout, "the banner is seen before it leaves"
    pid = int(pid_path.read_text())
    assert os.getsid(pid) != os.getsid(0)
    assert umbel("-A", "tasks", "call", "add", "2", "2", "--wait").stdout.endswith("4\n")
    assert "one@box ready." in (folder / "box-one.log").read_text()
    until(lambda: "succeeded in" in (folder / "box-one-1.log").read_text(), what="its process logs in its own file")
    os.kill(pid, signal.SIGTERM)
    until(lambda: not pid_path.exists(), what="the pid file is gone")
    until(lambda: not _lives(pid), what="the worker has ended")


def test_a_second_worker_with_the_pid_file_is_refused(umbel: Run, tasks: Path, pid_path: Path) -> None:
    assert umbel(*WORKER, *FILES, "-D").returncode == 0
    before = pid_path.read_text()
    done = umbel(*WORKER, *FILES)
    assert done.returncode == 73
    assert f"process {before.strip()} holds it" in done.stderr
    assert pid_path.read_text() == before


@pytest.mark.parametrize("left", ["999999999", "not a number", "{own}"])
def test_a_stale_pid_file_is_replaced(umbel: Run, tasks: Path, pid_path: Path, left: str) -> None:
    pid_path.write_text(left.format(own=_ended()))
    assert umbel(*WORKER, *FILES, "-D").returncode == 0
    assert _lives(int(pid_path.read_text()))


def _ended() -> int:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    return pid


def test_what_keeps_it_from_starting_is_said_in_front(umbel: Run, tasks: Path, folder: Path) -> None:
    tasks.write_text("1 / 0\n")
    done = umbel(*WORKER, *FILES, "--detach")
    assert done.returncode == 1
    assert done.stderr.startswith("umbel: cannot import 'tasks': ZeroDivisionError")
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "one.pid").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--uid", "nobody-of-that-name"), "there is no user 'nobody-of-that-name'"),
        (("--gid", "nobodies-of-that-name"), "there is no group 'nobodies-of-that-name'"),
        (("--umask", "99"), "not octal digits"),
        (("--logfile", "/nonexistent/x.log"), "log file /nonexistent/x.log: No such file or directory"),
        (("--pidfile", "/nonexistent/x.pid"), "/nonexistent/x.pid: No such file or directory"),
        (("-D", "--logfile", "x", "--executable", "/nonexistent/python"), "/nonexistent/python: No such file"),
    ],
)
def test_bad_values_are_one_line(umbel: Run, tasks: Path, words: tuple[str, ...], said: str) -> None:
    done = umbel(*WORKER, *words)
    assert done.returncode in (1, 2)
    assert said in done.stderr.splitlines()[-1]


def test_beat_runs_in_the_background_too(umbel: Run, tasks: Path, folder: Path, pid_path: Path) -> None:
    tasks.write_text(
        tasks.read_text() + "\napp.conf.beat_schedule = {'tick': {'task': 'tasks.add', 'schedule': 0.05}}\n"
    )
    done = umbel("-A", "tasks", "beat", "-l", "INFO", "--pidfile", pid_path.name, "--logfile", "%n.log", "--detach")
    assert (done.returncode, pid_path.exists()) == (0, True), done.stderr
    until(lambda: (folder / "beat.log").exists() and "tick" in (folder / "beat.log").read_text(), what="a tick")
    assert umbel("-A", "tasks", "beat", "--pidfile", pid_path.name).returncode == 73


ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user or group")


@ROOT
def test_root_becomes_another_group_first(umbel: Run, tasks: Path, folder: Path, pid_path: Path) -> None:
    done = umbel(*WORKER, *FILES, "-D", "--gid", "12345", "--umask", "027")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Gid:\t12345\t" in Path(f"/proc/{pid_path.read_text().strip()}/status").read_text()
    made = [folder / name for name in ("one.pid", "box-one.log", "umbel.db")]
    assert [path.stat().st_gid for path in made] == [12345] * 3
    assert [path.stat().st_mode & 0o777 for path in made] == [0o640] * 3


BECOME = """
import os, pwd, sys
from umbel.runtime.privileges import CannotBecome, become
become(sys.argv[1], None)
print(os.getuid(), os.getgid(), os.getgroups() in ([], [os.getgid()]))
try:
    become("root", None)
except CannotBecome as error:
    print(error)
"""


@ROOT
@pytest.mark.parametrize("name", ["nobody", "65534"])
def test_a_user_is_become_for_good(name: str) -> None:
    run = subprocess.run([sys.executable, "-c", BECOME, name], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "65534 65534 True",
        "only root may become user 0 and group 0; this is user 65534",
    ]
