"""A fleet for one test: on a database of its own, results in another."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.environments import VERSIONS
from tests.interop.fleet import Fleet


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version of Celery in turn."""
    return str(request.param)


@pytest.fixture
def make_fleet(tmp_path: Path, redis_url: str) -> Iterator[Callable[..., Fleet]]:
    """Makes the fleet, with settings."""
    made: list[Fleet] = []

    def make(**settings: Any) -> Fleet:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Fleet(folder, redis_url, settings.pop("results", redis_url), **settings))
        return made[-1]

    yield make
    for fleet in made:
        fleet.__exit__(None, None, None)


@pytest.fixture
def fleet(make_fleet: Callable[..., Fleet]) -> Fleet:
    """The fleet with results on the broker's server."""
    return make_fleet()
