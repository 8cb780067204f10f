"""Lane solo, which has no supervisor: it rescues others, and is rescued."""

import os
import signal
from collections.abc import Callable

import pytest

from tests.worker.fleet import Farm


@pytest.mark.slow
def test_a_solo_worker_rescues_what_another_one_held(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(worker_lease=1)
    first = farm.worker("-P", "solo")
    held = farm.send("hold", "held", str(farm.gate()))
    assert farm.started("held").pid == first.process.pid
    second = farm.worker("-P", "solo")
    os.kill(first.process.pid, signal.SIGKILL)
    assert farm.started("held", times=2).pid == second.process.pid
    farm.gate().touch()
    assert held.get(timeout=20) == "held"
    assert second.stop() == 0
