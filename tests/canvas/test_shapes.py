"""Canvas of every shape gives in real workers what it would give in Python. ``make canvas`` draws many more."""

import json
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.canvas.shapes import built, shapes, value
from umbel import Umbel

AT_ONCE = 20
BATCHES = max(1, int(os.environ.get("CANVAS_SHAPES", "300")) // AT_ONCE)

T = ["task", 0, False]
FIXED = ["task", 1, True]
KEPT: list[Any] = [
    ["chain", [T, ["group", [T, T]], T]],
    ["chain", [["group", [T, T]], ["group", [T, T]], T]],
    ["chain", [["chord", [T, T], ["group", [T, FIXED]]], T, T]],
    ["chord", [["chain", [T, ["group", [T, T]]]], T], T],
    ["chord", [["chord", [T, T], ["group", [T, T]]], ["chain", [T, T]]], ["chain", [T, T]]],
    ["group", [["chain", [T, ["group", []]]], ["group", [T, ["chain", []]]]]],
    ["chord", [["chain", [T, ["group", []]]], T], T],
    ["chain", [T, ["chord", [], T], T]],
    ["chain", [T, ["chunks", [[1], [2], [3]], 2], T]],
    ["chord", [["chunks", [[47]], 2]], ["chord", [], ["map", [83]]]],
    ["chain", [["chord", [T], ["chunks", [[57]], 1]], ["group", [T, T]]]],
    ["chain", [["group", [T, ["chain", []]]], T]],
    ["chain", [T, ["group", [["group", [T]]]], T]],
    ["chain", [T, ["group", [["chain", []]]]]],
    ["group", [["chord", [["group", [T, T]], T], ["chord", [T], T]]]],
]


@settings(
    max_examples=BATCHES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@example(KEPT)
@given(st.lists(shapes(), min_size=AT_ONCE, max_size=AT_ONCE))
def test_a_worker_gives_what_python_gives(run: Callable[[list[Any]], list[Any]], drawn: list[Any]) -> None:
    drawn = json.loads(json.dumps(drawn))
    assert list(zip(drawn, run(drawn), strict=True)) == [(shape, value(shape)) for shape in drawn]


@settings(max_examples=BATCHES * AT_ONCE, deadline=None)
@given(shapes())
def test_apply_gives_what_python_gives(drawn: Any) -> None:
    assert built(drawn, EAGER).apply().get() == value(drawn)


EAGER = Umbel("eager", broker="memory://", backend="memory://", set_as_current=False)


@EAGER.task(name="tests.worker.subjects.listed")
def mark(*values: object) -> list[object]:
    return list(values)
