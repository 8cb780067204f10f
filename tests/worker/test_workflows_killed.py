"""Processes are killed at every step of a member's settlement and of its body's publication: no chord is left waiting.

``CHORDS`` in the environment says how many chords each test sends. A process dies for every five of them, up to twelve.
"""

import os
from collections import Counter

import pytest

from tests.worker.fleet import Farm
from tests.worker.workflows import chain, chord, send, sig
from umbel.testing.failpoints import arm

CHORDS = int(os.environ.get("CHORDS", "30"))
PLACES = ("member-decided", "member-settled", "join-complete", "body-built")


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_every_body_runs_wherever_processes_are_killed(farm: Farm, place: str) -> None:
    strokes = [arm(farm.failpoints, place, skip=2) for _ in range(min(CHORDS // 5, 12))]
    sent = [
        send(farm, chord([chain(sig("add", n, 1), sig("add", m)) for m in range(3)], sig("noted", f"body-{n}")))
        for n in range(CHORDS)
    ]
    worker = farm.worker("-c", "2")
    assert [one.value(within=60) for one in sent] == [[n + 1, n + 2, n + 3] for n in range(CHORDS)]
    assert [one.name for one in strokes if one.exists()] == [], "too few were killed"
    assert worker.process.poll() is None
    runs = Counter(line.words[1] for line in farm.lines("start"))
    assert runs.keys() == {f"body-{n}" for n in range(CHORDS)}
    depth = farm.depth()
    assert (depth.ready, depth.delayed, depth.dead) == (0, 0, 0)
