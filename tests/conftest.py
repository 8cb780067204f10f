"""What every test gets: an application folder of its own, and proof that it left no process behind."""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import MARK, started_by

pytest_plugins = ("tests.missing", "tests.servers")

GRACE = 3.0
"""Seconds that a process which is already ending may take after its test."""


def pytest_configure() -> None:
    """A run in the background of a script begins with an interrupt ignored, and so would all that its tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_process_left(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves a process behind, and end that process."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    yield
    left = [process for process in started_by(mark) if not process.ends_within(GRACE)]
    for process in left:
        process.kill()
    if left:
        pytest.fail(f"{request.node.nodeid} left processes behind: {'; '.join(map(str, left))}", pytrace=False)


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    """A test that sets up logging in this process, as workers and users' settings do, leaves no logger changed."""
    before = {name: _state(logging.getLogger(name)) for name in _loggers()}
    root, switched_off = logging.root.level, logging.root.manager.disable
    yield
    logging.root.setLevel(root)
    logging.disable(switched_off)
    for name in _loggers():
        logger = logging.getLogger(name)
        logger.level, logger.disabled, logger.propagate, handlers = before.get(name, (logging.NOTSET, False, True, []))
        logger.handlers[:] = handlers
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]


def _loggers() -> list[str]:
    return [name for name in logging.root.manager.loggerDict if name.startswith(("umbel", "celery"))]


def _state(logger: logging.Logger) -> tuple[int, bool, bool, list[logging.Handler]]:
    return logger.level, logger.disabled, logger.propagate, logger.handlers[:]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder; modules imported from it are forgotten after the test."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("UMBEL_APP", "APP", "UMBEL_BROKER_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    for name in set(sys.modules) - before:
        path = getattr(sys.modules[name], "__file__", None)
        if path is not None and Path(path).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture
def db_url(tmp_path: Path) -> str:
    """The URL of a database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
def module(folder: Path) -> Callable[..., Path]:
    """Write a Python module into the working folder: ``module("tasks", source)``."""

    def write(name: str, source: str) -> Path:
        path = folder / f"{name.replace('.', os.sep)}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return path

    return write
