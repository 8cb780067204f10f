"""The shutdown matrix: every lane, every way to be told, every kind of task, on every adapter (G8).

In short, each pair of a lane and a way is tried once; ``make shutdowns`` tries everything with everything.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worker.fleet import Farm
from tests.worker.shutdowns import KINDS, LANES, ORDERS, TIMEOUT, Case, run

FULL = os.environ.get("SHUTDOWNS")
"""A file for the exits of the full form."""
BROKERS = ("sqlite", "redis")
TOGETHER = ("quick", "long sync", "long async", "ignores its limit")


def short(turn: int, broker: str) -> list[Case]:
    """Each lane with another order in each turn; a half of them on each broker, and one of them with a loop in C."""
    cases = []
    for at, lane in enumerate(LANES):
        if (at + turn) % 2 != BROKERS.index(broker):
            continue
        kinds = ("C loop", "quick") if (at + turn) % 3 == 0 else TOGETHER
        if lane == "solo":  # one place, and nobody to end what lets nobody else run
            kinds = (TOGETHER[1 + turn % 3], "quick")
        cases.append(Case(lane, ORDERS[(at + turn) % len(ORDERS)], kinds, f"q{at}"))
    return cases


def full(turn: int) -> list[Case]:
    """Each lane with each kind alone, in one way."""
    cases = [Case(lane, ORDERS[turn], (kind,), f"q{i}") for i, lane in enumerate(LANES) for kind in KINDS]
    alone = [case for case in cases if (case.lane, case.kinds) != ("solo", ("C loop",))]
    for at, case in enumerate(alone):
        case.queue = f"q{at}"
    return alone


@pytest.mark.parametrize("turn", range(len(ORDERS)))
@pytest.mark.timeout(900 if FULL else 120)
def test_a_worker_stops_in_time_and_everything_unfinished_is_back(
    farm_with: Callable[..., Farm], request: pytest.FixtureRequest, turn: int
) -> None:
    farm, broker = farm_with(worker_shutdown_timeout=TIMEOUT), request.node.callspec.params["farm_with"]
    cases = full(turn) if FULL else short(turn, broker)
    for at in range(0, len(cases), 6):
        farm.gate().unlink(missing_ok=True)
        run(farm, cases[at : at + 6])
    if FULL:
        with Path(FULL).open("a") as file:
            file.writelines(f"{case.took:.2f} s  {broker}, {case}\n" for case in cases)
