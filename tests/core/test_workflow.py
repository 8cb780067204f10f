"""A workflow that is kept can be played: what it comes to, with which arguments, is what a worker makes of it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from tests.canvas.shapes import MARK, built, shapes, value
from tests.canvas.test_shapes import KEPT
from umbel import Umbel, group
from umbel.app.identity import family
from umbel.core.signature import plain
from umbel.core.unfolding import Calling, Result, freeze, unfold
from umbel.core.workflow import Workflow, ends_of, in_words, play, tasks_of
from umbel.wire import workflows as wire

APP = Umbel("played", broker="memory://", backend="memory://", set_as_current=False)


def kept(signature: Any, **options: Any) -> Workflow:
    """As a caller keeps it, read back from what is stored."""
    new_id = family(1.0)
    frozen, _ = freeze(plain(signature), new_id=new_id)
    made: list[str] = []

    def noting() -> str:
        made.append(new_id())
        return made[-1]

    result = unfold(frozen, options=options, new_id=noting).result
    assert result is not None
    whole = Workflow(1.0, frozen, [], {}, options, result, made=made)
    return wire.decode(wire.encode(whole))


def returned(calling: Calling) -> Any:
    """What the task returns, in plain Python."""
    if calling.task == MARK:
        return list(calling.args)
    if calling.task == "celery.accumulate":
        return list(calling.args)
    items = calling.kwargs["it"]
    return [[item] for item in items] if calling.task == "celery.map" else [list(item) for item in items]


def run(workflow: Workflow) -> tuple[Any, list[str]]:
    """Run all that is ready until nothing is left, each once; the value, and the ids in the order of the calls."""
    values: dict[str, Any] = {}
    while True:
        steps = play(workflow, values).steps.values()
        ready = [one for one in steps if one.id not in values and all(before in values for before in one.after)]
        if not ready:
            return _value(workflow.result, values), list(values)
        values |= {one.id: returned(one.calling) for one in ready}


def _value(result: Result, values: dict[str, Any]) -> Any:
    (id, _), members = result
    return values[id] if members is None else [_value(member, values) for member in members]


def check(shape: Any) -> None:
    workflow = kept(built(shape, APP))
    got, ids = run(workflow)
    assert got == value(shape)
    assert sorted(ids) == sorted(play(workflow, {}).steps), "what was called is what was known from the start"
    known = {one["options"]["task_id"] for one in tasks_of(workflow.signature)}
    others = [one.calling.task for id, one in play(workflow, {}).steps.items() if id not in known]
    assert known <= set(ids)
    assert set(others) <= {"celery.accumulate"}, "what stands for an empty group in a header"
    assert set(ends_of(workflow.result)) <= set(ids)


@settings(max_examples=150, deadline=None)
@given(shapes())
def test_playing_a_workflow_gives_what_python_gives(shape: Any) -> None:
    check(json.loads(json.dumps(shape)))


@pytest.mark.parametrize("shape", KEPT, ids=str)
def test_shapes_that_went_wrong_once(shape: Any) -> None:
    if shape != ["chain", []]:
        check(shape)


def test_callbacks_are_part_of_it() -> None:
    mark = APP.signature(MARK)
    first = mark.clone((1,), link=[mark.clone((2,)), mark.clone((3,)) | mark.clone((4,))])
    workflow = kept(first | mark.clone((5,)))
    steps = play(workflow, {one: [1] for one in play(workflow, {}).steps}).steps
    assert [(one.how, one.calling.args) for one in steps.values()] == [
        ("", (1,)),
        ("callback", ([1], 2)),
        ("callback", ([1], 3)),
        ("chain", ([1], 5)),
        ("chain", ([1], 4)),
    ]


def test_what_follows_a_task_is_known_without_its_value() -> None:
    mark = APP.signature(MARK)
    workflow = kept(mark.clone((1,)) | mark.clone((2,)))
    one, two = play(workflow, {}).steps
    assert play(workflow, {}).following([one]) == {two}
    assert repr(play(workflow, {}).steps[two].calling.args) == "(…, 2)"


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (["chain", [["task", 1, False], ["task", 2, False]]], "listed | listed"),
        (["group", [["task", 1, False]] * 3], "group(3 × listed)"),
        (
            ["chord", [["task", 1, False], ["map", [1]]] * 2, ["task", 2, False]],
            "chord(listed, map, listed, …, listed)",
        ),
    ],
)
def test_a_workflow_in_words(shape: Any, words: str) -> None:
    assert in_words(plain(built(shape, APP))) == words


# What is stored -------------------------------------------------------------------------------------------------------


def test_a_large_plan_is_compressed_and_read_back() -> None:
    mark = APP.signature(MARK)
    workflow = kept(group(mark.clone((n,)) for n in range(500)))
    text = wire.encode(workflow)
    assert text.startswith("zlib:")
    assert len(text) < 500 * 60
    assert wire.decode(text) == workflow


def test_arguments_that_cannot_be_kept_are_left_out_and_the_rest_is_there() -> None:
    mark = APP.signature(MARK)
    frozen, result = freeze(plain(mark.clone((object(),)) | mark.clone((2,))), new_id=family(1.0))
    text = wire.encode(Workflow(1.0, frozen, [object()], {}, {"queue": object()}, result))
    read = wire.decode(text)
    assert (read.whole, read.args, read.options) == (False, [], {})
    assert [one["args"] for one in tasks_of(read.signature)] == [[], []]
    assert [one["options"]["task_id"] for one in tasks_of(read.signature)] == list(play(read, {}).steps)


def test_the_records_of_a_workflow_name_it_under_foreign_ids_too() -> None:
    mark = APP.signature(MARK)
    workflow = kept(mark.clone((1,)) | mark.clone((2,)))
    records = {one.task_id: one for one in wire.records_of("key", workflow, 2, ["key", "other", "other"])}
    assert set(records) == {"key:workflow", "key:workflow:plan", "other:workflow"}
    assert wire.brief_of(records["other:workflow"]) == "key"
    brief = wire.brief_of(records["key:workflow"])
    assert not isinstance(brief, str)
    assert brief is not None
    assert (brief.id, brief.name, brief.size, brief.ends) == (workflow.id, "listed | listed", 2, [workflow.id])
