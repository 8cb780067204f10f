"""A farm for each test: real workers on a broker of their own, once for each adapter that outlives a process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.worker.fleet import Farm

BROKERS = ("sqlite", "redis")
LOOPS = {"sqlite": "asyncio", "redis": "uvloop"}
"""What the coroutines of lane asyncio run on: both loops are held by every test of that lane."""


@pytest.fixture(params=BROKERS)
def farm_with(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Farm]]:
    """A farm whose apps have these settings. The next adapter joins by one more name in ``BROKERS``."""
    url = f"sqlite:///{tmp_path / 'farm.db'}" if request.param == "sqlite" else request.getfixturevalue("redis_url")
    with ExitStack() as stack:

        def make(**settings: Any) -> Farm:
            own = {"broker": url, "backend": url, "worker_event_loop": LOOPS[request.param]}
            farm = stack.enter_context(Farm(tmp_path, **own | settings))
            stack.enter_context(farm.app())
            return farm

        yield make


@pytest.fixture
def farm(farm_with: Callable[..., Farm]) -> Farm:
    """A farm with the defaults."""
    return farm_with()
