"""The command line as a user has it: a process of its own, in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

TASKS = """\
import os
import signal

from umbel import Umbel

app = Umbel("tasks")


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def greet(name: str, *, loud: bool = False) -> str:
    return f"Hello {name.upper() if loud else name}"


@app.task
def divide(x: float, y: float) -> float:
    return x / y
"""


class Run(Protocol):
    def __call__(self, *words: str, given: str = ..., **environment: str) -> "subprocess.CompletedProcess[str]": ...


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **more}


@pytest.fixture
def umbel(folder: Path) -> Run:
    """Run ``umbel`` with these words and return what it said."""

    def run(*words: str, given: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [Path(sys.executable).with_name("umbel"), *words],
            cwd=folder,
            env=environment(**more),
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture
def tasks(module: Callable[..., Path]) -> Path:
    """A module ``tasks`` with an application."""
    return module("tasks", TASKS)


@pytest.fixture
def worker(folder: Path, tasks: Path) -> Iterator["subprocess.Popen[str]"]:
    """A worker of that application, which has printed its banner; stopped warm at the end."""
    process = subprocess.Popen(
        [Path(sys.executable).with_name("umbel"), "-A", "tasks", "worker", "-c", "1"],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("  try"):
            break
    yield process
    process.terminate()
    process.stdout.read()
    process.wait()
    process.stdout.close()
