"""Processes are killed at every step of a member's settlement and of its body's publication: no chord is left waiting.

``CHORDS`` in the environment says how many chords each test sends. A process dies for every five of them, up to twelve.
"""

import os
from collections import Counter
from collections.abc import Callable

import pytest

from tests.worker.fleet import Farm
from tests.worker.workflows import chain, chord, send, sig
from umbel.testing.failpoints import arm

CHORDS = int(os.environ.get("CHORDS", "30"))
PLACES = (
    "finished",
    "member-decided",
    "settle-sent",
    "settle-answered",
    "member-settled",
    "join-complete",
    "body-built",
)
KEPT = os.environ.get("CHORDS_KEPT")
"""``0``: messages carry nothing of what follows, ``all``: everything. Unsaid: the one on Redis, the other on SQLite."""


@pytest.fixture
def farm(request: pytest.FixtureRequest, farm_with: Callable[..., Farm]) -> Farm:
    """One whose processes are killed."""
    kept = KEPT or ("0" if request.node.callspec.params["farm_with"] == "redis" else "all")
    return farm_with(task_max_rest=None if kept == "all" else int(kept))


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_every_body_runs_wherever_processes_are_killed(farm: Farm, place: str) -> None:
    """Of settlements the first of a process, and later ones, among them those that publish bodies."""
    settling = place.startswith("settle")
    strokes = [arm(farm.failpoints, place, skip=n if settling else 2) for n in range(min(CHORDS // 5, 12))]
    sent = [
        send(
            farm,
            chord(
                [chain(sig("add", n, 1), sig("add", m)) for m in range(3)],
                chain(sig("noted", f"body-{n}"), sig("noted", f"after-{n}")),
            ),
        )
        for n in range(CHORDS)
    ]
    worker = farm.worker("-c", "2")
    assert [one.value(within=60) for one in sent] == [[n + 1, n + 2, n + 3] for n in range(CHORDS)]
    assert [one.name for one in strokes if one.exists()] == [], "too few were killed"
    assert worker.process.poll() is None
    runs = Counter(line.words[1] for line in farm.lines("start"))
    assert runs.keys() == {f"{what}-{n}" for n in range(CHORDS) for what in ("body", "after")}
    depth = farm.depth()
    assert (depth.ready, depth.delayed, depth.dead) == (0, 0, 0)
