"""A broker that is away under load, for a moment or (``AWAY=60``) for a minute.

Producers raise in time, what runs goes on and is settled when the broker is back, and workers claim again themselves.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers import RedisServer
from tests.worker.fleet import Farm, until
from umbel.core.errors import OperationalError
from umbel.runtime.clock import SYSTEM

AWAY = float(os.environ.get("AWAY", "3"))
"""Seconds; longer than the lease."""
LEASE = 2.0
RAISES_WITHIN, CLAIMS_WITHIN, BUSY = 5.0, 5.0, 3.0
"""What is promised (``broker_publish_timeout``; G4), and what a busy machine may take beyond it."""


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """A broker of the test's own, and how it goes away for the length of a block."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'away.db'}", lambda: locked(tmp_path / "away.db")
        return
    server = request.getfixturevalue("own_redis")(appendonly="yes", appendfsync="always")
    yield server.url(), lambda: killed(server)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody keeps everybody out, as a backup does that goes wrong."""
    link = sqlite3.connect(path, isolation_level=None, timeout=30)
    link.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        link.rollback()
        link.close()


@contextmanager
def killed(server: RedisServer) -> Iterator[None]:
    """The server is gone, and comes back with its data."""
    server.kill()
    try:
        yield
    finally:
        server.start()


@pytest.mark.timeout(AWAY + 120)
def test_a_broker_that_is_away_costs_time_and_no_task(tmp_path: Path, place: tuple[str, Callable[[], Any]]) -> None:
    url, goes_away = place
    with ExitStack() as stack:
        farm = stack.enter_context(Farm(tmp_path, broker=url, backend=url, worker_lease=LEASE))
        stack.enter_context(farm.app())
        worker = farm.worker("-c", "2")
        long = [farm.send("hold", key, str(farm.gate())) for key in ("h1", "h2")]
        for key in ("h1", "h2"):
            farm.started(key)
        waiting = [farm.send("quick", f"w-{number}") for number in range(50)]
        with goes_away():
            back = SYSTEM.monotonic() + AWAY
            refused = [raised_within(farm, f"r-{number}") for number in range(8 if AWAY >= 60 else 1)]
            farm.gate().touch()
            for key in ("h1", "h2"):
                until(lambda key=key: farm.lines("end", key), what="what runs goes on")  # type: ignore[misc]
            until(lambda: SYSTEM.monotonic() > back, AWAY + 30)
        returned = SYSTEM.monotonic()
        until(lambda: farm.lines("start", "w-0"), CLAIMS_WITHIN + BUSY, what="claimed again in time")
        assert SYSTEM.monotonic() - returned < CLAIMS_WITHIN + BUSY
        assert [result.get(timeout=30) for result in long] == ["h1", "h2"]
        assert [result.get(timeout=30) for result in waiting] == [f"w-{number}" for number in range(50)]
        assert max(refused) < RAISES_WITHIN + BUSY
        for key in ("h1", "h2", *(f"w-{number}" for number in range(50))):
            assert len(farm.lines("start", key)) == 1, f"{key} ran twice"
        assert farm.send("add", 2, 2).get(timeout=20) == 4
        assert worker.stop() == 0


def raised_within(farm: Farm, key: str) -> float:
    """The seconds after which a producer raised."""
    begun = SYSTEM.monotonic()
    with pytest.raises(OperationalError):
        farm.send("quick", key)
    return SYSTEM.monotonic() - begun
