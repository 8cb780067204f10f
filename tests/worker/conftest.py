"""A farm for each test: real workers on a database of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.worker.fleet import Farm


@pytest.fixture
def farm_with(tmp_path: Path) -> Iterator[Callable[..., Farm]]:
    """A farm whose apps have these settings."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Farm:
            farm = stack.enter_context(Farm(tmp_path, **settings))
            stack.enter_context(farm.app())
            return farm

        yield make


@pytest.fixture
def farm(farm_with: Callable[..., Farm]) -> Farm:
    """A farm with the defaults."""
    return farm_with()
