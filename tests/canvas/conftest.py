"""Those who run canvas for tests: one real worker for each adapter, kept for all shapes of a test."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.canvas.shapes import built
from tests.worker.fleet import Farm

Run = Callable[[list[Any]], list[Any]]


@contextmanager
def _in_memory(settings: dict[str, Any]) -> Iterator[Run]:
    command = [sys.executable, "-m", "tests.canvas.in_memory", json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def run(shapes: list[Any]) -> list[Any]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(shapes) + "\n")
            process.stdin.flush()
            found = json.loads(process.stdout.readline())
            assert isinstance(found, list), found
            return found

        try:
            yield run
        finally:
            process.kill()


@contextmanager
def _in_farm(folder: Any, url: str, settings: dict[str, Any]) -> Iterator[Run]:
    with Farm(folder, broker=url, backend=url, **settings) as farm, farm.app() as app:
        farm.worker("-c", "2")

        def run(shapes: list[Any]) -> list[Any]:
            results = [built(shape, app).apply_async() for shape in shapes]
            return [result.get(timeout=20) for result in results]

        yield run


ADAPTERS = ("memory", "sqlite", "redis")


@pytest.fixture(params=[f"{adapter}{kept}" for kept in ("", "-kept") for adapter in ADAPTERS])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs shapes in a worker, all at once, and returns their values. ``kept``: messages carry nothing that follows."""
    folder = tmp_path_factory.mktemp("canvas")
    adapter, _, kept = request.param.partition("-")
    settings: dict[str, Any] = {"task_max_rest": 0} if kept else {}
    if adapter == "memory":
        with _in_memory(settings) as made:
            yield made
        return
    if adapter == "sqlite":
        with _in_farm(folder, f"sqlite:///{folder / 'farm.db'}", settings) as made:
            yield made
        return
    server = request.getfixturevalue("redis_server")
    db = server.take()
    with _in_farm(folder, server.url(db), settings) as made:
        yield made
    server.give_back(db)
