"""Which faults strike which pair of adapter and lane, in which order: a pure function of the seed."""

import random
from typing import NamedTuple

from umbel.testing.failpoints import POINTS

LEAST = 5
"""How often each kind strikes a pair, at least."""

ANYWHERE = (
    "kill-worker",
    "kill-caller",
    "freeze-worker",
    "freeze-all",
    "exits",
    "segfaults",
    "limits",
    "grows",
    "rolling-restart",
    "publish-timeout",
    *(f"failpoint-{point}" for point in POINTS),
)
"""Kinds for every adapter and lane."""

WITH_A_SUPERVISOR = ("kill-process", "freeze-process", "freeze-supervisor")
ADAPTERS: dict[str, tuple[str, ...]] = {
    "sqlite": ("foreign-lock", "full-disk"),
    "redis": (
        "cut-up",
        "cut-down",
        "delayed-bytes",
        "dropped-bytes",
        "server-kill",
        "server-stop",
        "server-freeze",
        "fail-over",
    ),
}
"""The adapters, and what can happen to their servers. The next adapter joins by one line."""

LANES: dict[str, tuple[str, ...]] = {
    "prefork": WITH_A_SUPERVISOR,
    "threads": WITH_A_SUPERVISOR,
    "asyncio": WITH_A_SUPERVISOR,
    "gevent": WITH_A_SUPERVISOR,
    "eventlet": WITH_A_SUPERVISOR,
    "solo": (),
}
"""The lanes, and what can happen to their processes beside the worker as a whole."""

CLOCK = "clock-jump"
"""Strikes a fleet of its own, whose clock can be turned."""


class Strike(NamedTuple):
    """One fault: its kind, and a number between 0 and 1 by which whoever strikes chooses among what there is."""

    kind: str
    choice: float


class Schedule(NamedTuple):
    """The strikes of one pair, in their order; ``jumps`` are hours by which the clock of its second fleet is wrong."""

    strikes: tuple[Strike, ...]
    jumps: tuple[int, ...]


def kinds(adapter: str, lane: str) -> tuple[str, ...]:
    """All that strike this pair, the clock excepted."""
    return (*ANYWHERE, *LANES[lane], *ADAPTERS[adapter])


def schedule(seed: int, adapter: str, lane: str, total: int, least: int = LEAST) -> Schedule:
    """``total`` faults or, if that is more, each kind ``least`` times. The same seed gives the same."""
    dice = random.Random(f"{seed} {adapter} {lane}")
    known = kinds(adapter, lane)
    chosen = [kind for kind in known for _ in range(least)]
    chosen += dice.choices(known, k=max(0, total - least - len(chosen)))
    dice.shuffle(chosen)
    jumps = [dice.choice((-1, 1)) for _ in range(least)]
    return Schedule(tuple(Strike(kind, dice.random()) for kind in chosen), tuple(jumps))
