"""Loads for the tests of faults: on the shared server where it takes no harm, else on one of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.redis.load import Load
from tests.worker.fleet import Farm


@pytest.fixture
def load_at(tmp_path: Path, record_property: Callable[[str, object], None]) -> Iterator[Callable[..., Load]]:
    """``load_at(url, **settings)``: results go to the same place. ``look_at`` is where a test looks from outside."""
    with ExitStack() as stack:

        def make(url: str, *, look_at: str | None = None, **settings: Any) -> Load:
            farm = stack.enter_context(Farm(tmp_path, **{"broker": url, "backend": url, "worker_lease": 1, **settings}))
            stack.enter_context(farm.app())
            look = stack.enter_context(redis.Redis.from_url(look_at or url)) if "redis" in url else None
            return Load(farm, look, lambda text: record_property("verdict", text))

        yield make


@pytest.fixture
def load(load_at: Callable[..., Load], redis_url: str) -> Load:
    """A load on a database of the shared server. Leases are of one second."""
    return load_at(redis_url)
