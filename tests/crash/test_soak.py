"""The short form of ``make soak``: descriptors and threads stay where they are, and the broker returns to its base."""

from pathlib import Path

import pytest

from tests.crash.soak import soak


@pytest.mark.slow
@pytest.mark.usefixtures("redis_server")
def test_nothing_stays_behind(tmp_path: Path) -> None:
    growths, left, called = soak("redis", tmp_path, 4)
    assert left == {}
    assert called > 100
    assert len(growths) == 3
    for growth in growths:
        assert growth.descriptors[1] <= growth.descriptors[0] + 1, growth
        assert growth.threads[1] <= growth.threads[0] + 1, growth
