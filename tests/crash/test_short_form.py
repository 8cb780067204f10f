"""Every lane and both adapters under fire, for some seconds each: the long form is ``make crash``.

The kinds of faults are dealt out among the pairs, so that each strikes somewhere.
"""

from pathlib import Path

import pytest

from tests.crash.pair import Pair
from tests.crash.schedule import Schedule, Strike, kinds, schedule

SEED = 20

PAIRS = (("sqlite", "prefork"), ("redis", "threads"), ("sqlite", "solo"), ("redis", "asyncio"))


def dealt(pairs: tuple[tuple[str, str], ...]) -> dict[tuple[str, str], list[Strike]]:
    """Each kind to the pair that it may strike and that has the fewest so far."""
    hands: dict[tuple[str, str], list[Strike]] = {pair: [] for pair in pairs}
    known = sorted({kind for pair in pairs for kind in kinds(*pair)}, key=lambda k: sum(k in kinds(*p) for p in pairs))
    for kind in known:
        pair = min((p for p in pairs if kind in kinds(*p)), key=lambda p: len(hands[p]))
        hands[pair].append(next(one for one in schedule(SEED, *pair, 0).strikes if one.kind == kind))
    return hands


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("adapter", "lane"), PAIRS)
def test_nothing_is_lost_whatever_is_broken(adapter: str, lane: str, tmp_path: Path) -> None:
    plan = Schedule(tuple(dealt(PAIRS)[adapter, lane]), (1, -1) if lane == "threads" else ())
    pair = Pair(adapter, lane, plan, tmp_path, SEED)
    pair.run(tasks=100, gap=0.1)
    assert pair.problems(timed=False) == []
    row = pair.row()
    assert sum(row["faults"].values()) >= len(plan.strikes) - 2, "too many met nobody"


def test_every_kind_strikes_somewhere() -> None:
    struck = {one.kind for hand in dealt(PAIRS).values() for one in hand}
    assert struck == {kind for pair in PAIRS for kind in kinds(*pair)}
