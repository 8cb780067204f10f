"""``umbel dev``: what it says of an edit, and that nothing it started outlives it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run, environment
from umbel.cli.dev import syntax_error

READY = " ready."


class Dev:
    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("umbel"), "dev", "-A", "tasks"],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        self.see(READY)

    def see(self, text: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if text in line:
                return line
        raise AssertionError(f"it ended without saying {text!r}")

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        assert self.process.stdout is not None
        self.process.stdout.read()
        return self.process.wait()


@pytest.fixture
def dev(folder: Path, tasks: Path) -> Iterator[Dev]:
    started = Dev(folder)
    yield started
    if started.process.poll() is None:
        started.end(signal.SIGTERM)
    assert started.process.stdout is not None
    started.process.stdout.close()


def test_a_save_restarts_the_worker(dev: Dev, umbel: Run, tasks: Path) -> None:
    tasks.write_text(tasks.read_text().replace("return x + y", "return x - y"))
    assert "tasks.py changed" in dev.see("dev: ")
    dev.see(READY)
    assert umbel("-A", "tasks", "call", "add", "2", "2", "-w").stdout.splitlines()[-1] == "0"


def test_an_edit_that_does_not_compile_leaves_the_worker_as_it_was(dev: Dev, umbel: Run, tasks: Path) -> None:
    with tasks.open("a") as file:
        file.write("def f(:\n")
    assert "the worker goes on with what it had" in dev.see("invalid syntax")
    (tasks.parent / "other.py").write_text("x = (\n")
    dev.see("other.py line 1")
    assert "restarting" not in dev.said, "the second edit came after all that the first could do"


def test_an_edit_that_does_not_import_is_said_and_mended_by_the_next(dev: Dev, umbel: Run, tasks: Path) -> None:
    source = tasks.read_text()
    tasks.write_text(source + "\n1 / 0\n")
    assert "ZeroDivisionError" in dev.see("cannot import 'tasks'")
    dev.see("started again when a file is saved")
    tasks.write_text(source)
    dev.see(READY)
    assert umbel("-A", "tasks", "call", "add", "2", "2", "-w").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_however_it_is_ended_its_worker_ends_too(dev: Dev, number: signal.Signals) -> None:
    assert dev.end(number) == 0  # that nothing is left behind is checked after every test


def test_a_file_is_compiled_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(f"import os\nos.kill({os.getpid()}, 9)\n")
    assert syntax_error(path) is None
    path.write_text("x = (\n")
    assert syntax_error(path) is not None
    assert syntax_error(tmp_path / "gone.py") is None
