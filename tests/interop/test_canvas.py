"""Canvas both ways, with each version of Celery: a signature has the same value, whoever calls and whoever runs it."""

import json
from typing import Any

import pytest

from tests.canvas.shapes import built, value
from tests.interop.fleet import Fleet
from umbel import Umbel, chord, group

TASK = "interop.listed"
T = ["task", 0, False]
FIXED = ["task", 1, True]
PAIRS = [[1, 2], [3, 4], [5, 6]]

SHAPES: list[Any] = [
    ["chain", [T, T, T]],
    ["chain", [T, FIXED, T]],
    ["group", [T, FIXED]],
    ["chord", [T, FIXED, T], T],
    ["chain", [T, ["group", [T, T]]]],
    ["chain", [["group", [T, T]], T, T]],
    ["chain", [T, ["group", [T, T]], T]],
    ["chain", [T, ["group", [T, T]], T, ["group", [T, T]], T]],
    ["chord", [["chain", [T, T]], T], ["chain", [T, T]]],
    ["chord", [T, T], ["group", [T, T]]],
    ["chord", [["chord", [T, T], T], T], T],
    ["chain", [T, ["chord", [T, T], T], T]],
    ["group", [["chain", [T, T]], ["chain", [T, T]]]],
    ["chain", [["starmap", PAIRS], T]],
    ["chain", [["map", [1, 2]], T]],
]
CHUNKS: Any = ["chunks", PAIRS, 2]  # a signature of chunks that was JSON is a plain task for Celery's client
CELERY_GOES_WRONG: list[Any] = [
    ["chord", [["group", [["task", 1, False], ["task", 2, False]]], T], T],  # turns the order of nested groups round
    ["chain", [["chord", [T, T], ["group", [T, FIXED]]], T]],
    ["chord", [["chain", [T, ["group", [T, T]]]], T], T],
    ["chord", [], T],
]


def as_json(shape: Any, app: Umbel) -> Any:
    return json.loads(json.dumps(built(shape, app, TASK)))


def test_celery_calls_and_umbel_runs(fleet: Fleet, version: str) -> None:
    client = fleet.celery_client(version)
    fleet.umbel("-c", "2")
    with fleet.umbel_client() as app:
        found = client.run_canvas(signatures=[as_json(shape, app) for shape in SHAPES])
    assert found == [value(shape) for shape in SHAPES]
    assert {line["by"] for line in fleet.ran()} == {"umbel"}


def test_umbel_calls_and_celery_runs(fleet: Fleet, version: str) -> None:
    fleet.celery(version, "-c", "2")
    with fleet.umbel_client() as app:
        results = {str(shape): built(shape, app, TASK).apply_async() for shape in [*SHAPES, CHUNKS]}
        found = {shape: result.get(timeout=30) for shape, result in results.items()}
    assert found == {str(shape): value(shape) for shape in [*SHAPES, CHUNKS]}
    assert {line["by"] for line in fleet.ran()} == {"celery"}


def test_both_run_one_chord(fleet: Fleet, version: str) -> None:
    fleet.celery(version, "-c", "1")
    fleet.umbel("-c", "1")
    shapes = [*SHAPES, CHUNKS]
    with fleet.umbel_client() as app:
        listed = app.tasks[TASK]
        whole = chord(group(listed.s(number) for number in range(300)), listed.s())
        results = [whole.apply_async(), *(built(shape, app, TASK).apply_async() for shape in shapes)]
        found = [result.get(timeout=60) for result in results]
    assert found[0] == [[[number] for number in range(300)]]
    assert found[1:] == [value(shape) for shape in shapes]
    assert {line["by"] for line in fleet.ran()} == {"celery", "umbel"}


@pytest.mark.parametrize("shape", CELERY_GOES_WRONG, ids=str)
def test_what_celery_calls_otherwise_is_right_when_umbel_runs_it(fleet: Fleet, shape: Any) -> None:
    fleet.umbel("-c", "1")
    with fleet.umbel_client() as app:
        assert app.signature(as_json(shape, app)).apply_async().get(timeout=30) == value(shape)
