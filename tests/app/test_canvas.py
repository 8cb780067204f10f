"""Signatures, chains, groups and chords in the caller's hands: their data, how they combine, and what they send."""

import asyncio
import copy
import json
import pickle
import re
from typing import Any

import pytest

from tests.app.conftest import Outbox
from umbel import Signature, StampingVisitor, Umbel, chain, chord, chunks, group, signature
from umbel.app.signature import maybe_signature
from umbel.core.errors import ChordError, EncodeError, ImproperlyConfigured, InvalidTaskError
from umbel.core.signature import chain_of, chord_of, group_of
from umbel.wire import body

SIG = {"task": "a"}


@pytest.fixture
def add(app: Umbel) -> Any:
    @app.task(name="add")
    def add(x: int, y: int = 0) -> int:
        return x + y

    return add


@pytest.fixture
def total(app: Umbel) -> Any:
    @app.task(name="total")
    def total(values: list[int]) -> int:
        return sum(values)

    return total


def sent(outbox: Outbox) -> list[tuple[str, list[Any], dict[str, Any]]]:
    """Task, arguments and embed of all that was sent, with only what says something."""
    found = []
    for one in outbox.messages:
        args, _, embed = body.decode(one.message, frozenset({"application/json"}))
        parts = {name: getattr(embed, name) for name in embed.__struct_fields__ if getattr(embed, name)}
        found.append((one.message.headers.task, args, parts))
    return found


def sig(task: str, *args: Any, **options: Any) -> dict[str, Any]:
    return {
        "task": task,
        "args": list(args),
        "kwargs": {},
        "options": options,
        "subtask_type": None,
        "immutable": False,
    }


# Data: these texts were captured from Celery --------------------------------------------------------------------------


def test_signatures_are_celerys_dicts(add: Any, total: Any) -> None:
    def canvas(kind: str, **kwargs: Any) -> dict[str, Any]:
        return {**sig(f"celery.{kind}"), "kwargs": kwargs, "subtask_type": kind}

    def iterated(kind: str, **more: Any) -> dict[str, Any]:
        kwargs = {"task": sig("add"), "it": [[1, 2], [3, 4]], **more}
        return {**sig(f"celery.{kind}"), "kwargs": kwargs, "immutable": True}

    two = [sig("add", 1, 1), sig("add", 2, 2)]
    for made, expected in (
        (add.s(2, 2), sig("add", 2, 2)),
        (add.si(2, 2), {**sig("add", 2, 2), "immutable": True}),
        (group(add.s(1, 1), add.s(2, 2)), canvas("group", tasks=two)),
        (chain(add.s(1, 1), add.s(2, 2)), canvas("chain", tasks=two)),
        (chord([add.s(1, 1), add.s(2, 2)], total.s()), canvas("chord", kwargs={}, header=two, body=sig("total"))),
        (add.chunks([(1, 2), (3, 4)], 2), iterated("chunks", n=2)),
        (add.starmap([(1, 2), (3, 4)]), iterated("starmap")),
        (add.map([(1, 2), (3, 4)]), iterated("map")),
    ):
        assert json.loads(json.dumps(made)) == expected


def test_a_signature_survives_every_way_of_copying(app: Umbel, add: Any, total: Any) -> None:
    whole = chain(add.s(1, 1), group(add.s(2), add.s(3)), total.s().set(queue="q"))
    for again in (
        copy.deepcopy(whole),
        copy.copy(whole),
        pickle.loads(pickle.dumps(whole)),
        whole.clone(),
        app.signature(json.loads(json.dumps(whole))),
    ):
        assert type(again) is chain
        assert json.dumps(again) == json.dumps(whole)
    assert type(maybe_signature(json.loads(json.dumps(whole)), app).tasks[1]) is chord


def test_changing_a_copy_leaves_the_original(add: Any) -> None:
    one = add.s(1).set(priority=1)
    one.clone((5,), {"y": 1}, priority=2).link(add.s(9))
    assert one == add.s(1).set(priority=1)


def test_partial_arguments_options_and_immutability(add: Any) -> None:
    assert add.s(2).clone((1,)).args == (1, 2)
    assert add.s(2).clone(kwargs={"y": 3}).kwargs == {"y": 3}
    assert add.si(2).clone((1,), {"y": 3}) == add.si(2)
    assert add.s(2).set(immutable=True).clone((1,)).args == (2,)
    assert add.s(1).set(queue="a", countdown=1).clone(queue="b").options == {"queue": "b", "countdown": 1}
    assert add.s(1).replace(args=(7,), options={}).args == (7,)
    assert (repr(add.s(1, y=2)), add.s(2).reprcall(1)) == ("add(1, y=2)", "add(1, 2)")


# Combining: as Celery's | does ----------------------------------------------------------------------------------------


def shape(sig: Any) -> Any:
    """A canvas as nested tuples."""
    match sig["subtask_type"]:
        case "chain" | "group" as kind:
            return (kind, *map(shape, sig["kwargs"]["tasks"]))
        case "chord":
            return ("chord", tuple(map(shape, sig.tasks)), shape(sig.body))
    return sig["task"]


@pytest.fixture
def a(app: Umbel) -> Any:
    return app.task(lambda x=None: x, name="a")


def test_pipes(a: Any) -> None:
    s, one = a.s, group(a.s())

    def g() -> group:
        return group(a.s(), a.s())

    gg = ("group", "a", "a")
    for made, expected in (
        (s() | s(), ("chain", "a", "a")),
        (s() | chain(s(), s()), ("chain", "a", "a", "a")),
        (chain(s(), s()) | chain(s(), s()), ("chain", "a", "a", "a", "a")),
        (s() | g(), ("chain", "a", gg)),
        (s() | one, ("chain", "a", "a")),
        (one | s(), ("chord", ("a",), "a")),
        (g() | g(), ("chord", ("a", "a"), gg)),
        (chain(one, s()), ("chain", "a", "a")),
        (chain(g(), s()), ("chain", ("chord", ("a", "a"), "a"))),
        (s() | g() | s() | s(), ("chain", "a", ("chord", ("a", "a"), ("chain", "a", "a")))),
        (chord([s()], s()) | g(), ("chain", ("chord", ("a",), "a"), gg)),
        (chord([s()], s()) | s(), ("chord", ("a",), ("chain", "a", "a"))),
        (
            chord([s()], s()) | g() | s(),
            ("chain", ("chord", ("a",), ("chain", "a", ("chord", ("a", "a"), "a")))),
        ),
        (chain([s()]), ("chain", "a")),
        (chain(), ("chain",)),
        (group([]), ("group",)),
        (group(s() for _ in range(2)), gg),
    ):
        assert shape(made) == expected


def test_a_pipe_changes_neither_side(a: Any) -> None:
    left, right = a.s(1) | a.s(2), group(a.s(3), a.s(4))
    before = json.dumps([left, right])
    both = left | right | a.s(5)
    both.link(a.s(6))
    assert json.dumps([left, right]) == before


def test_links_of_a_chain_that_grows_stay_where_they_were(a: Any) -> None:
    first = chain(a.s(1), a.s(2))
    first.link(a.s("ok"))
    first.link_error(a.s("oops"))
    steps = (first | a.s(3)).tasks
    assert [len(one.options.get("link", ())) for one in steps] == [0, 1, 0]
    assert [len(one.options.get("link_error", ())) for one in steps] == [1, 1, 0]


def test_what_is_no_signature_is_refused(a: Any, app: Umbel) -> None:
    with pytest.raises(TypeError, match="made of signatures, not of 3"):
        group(a.s(), 3)
    with pytest.raises(TypeError):
        a.s() | 3
    with pytest.raises(InvalidTaskError, match=r"tasks\[0\] has an unknown key 'qeue'"):
        app.signature({**group(a.s()), "kwargs": {"tasks": [{"task": "a", "qeue": 1}]}})
    for make in (group, chain, chord):
        with pytest.raises(TypeError, match="made of signatures, not of 3"):
            make(3)
    with pytest.raises(TypeError, match="link= takes signatures"):
        a.apply_async(link="a")
    with pytest.raises(ValueError, match="1 item or more"):
        a.chunks([1], 0)


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        ("signature.body", lambda bad: chord_of([SIG], bad)),
        ("signature.header[1]", lambda bad: chord_of([SIG, bad], SIG)),
        ("signature.tasks[1].tasks[0].body", lambda bad: chain_of([SIG, group_of([chord_of([SIG], bad)])])),
        ("signature.link[0]", lambda bad: {**SIG, "options": {"link": [bad]}}),
        ("signature.tasks[0].link_error", lambda bad: group_of([{**SIG, "options": {"link_error": bad}}])),
        ("signature.task", lambda bad: {"task": "celery.map", "kwargs": {"task": bad, "it": [1]}}),
    ],
)
def test_an_unknown_key_is_told_by_its_place(app: Umbel, where: str, wrong: Any) -> None:
    with pytest.raises(InvalidTaskError, match=f"^{re.escape(where)} has an unknown key 'qeue'; its keys are task, "):
        app.signature(wrong({"task": "a", "qeue": 1}))


def test_an_unknown_key_in_what_is_given_with_a_call_is_told_too(a: Any, outbox: Outbox) -> None:
    for call in (a.apply_async, a.s().apply_async, chain(a.s(), a.s()).apply_async):
        with pytest.raises(InvalidTaskError, match=r"^link has an unknown key 'qeue'"):
            call(link={"task": "a", "qeue": 1})
    assert outbox.messages == []


def test_a_group_of_zero_and_a_generator(add: Any, total: Any, outbox: Outbox) -> None:
    nothing = group().delay()
    assert (nothing.results, nothing.get(), nothing.ready()) == ([], [], True)
    assert outbox.messages == []
    many = group(add.s(i) for i in range(3))
    assert [len(many.delay()) for _ in range(2)] == [3, 3], "a generator is read once, when the group is made"
    assert len(chord((add.s(i) for i in range(3)), total.s())().parent) == 3
    assert chord(iter(()), total.s())().parent.get() == []


# Sending --------------------------------------------------------------------------------------------------------------


def test_a_signature_is_called_with_its_own_options_and_those_given(add: Any, outbox: Outbox) -> None:
    result = add.s(2).set(queue="email", priority=3).apply_async((1,), priority=4)
    assert (outbox.last.queue, outbox.last.message.properties.priority) == ("email", 4)
    assert sent(outbox) == [("add", [1, 2], {})]
    assert result.id == outbox.last.message.headers.id


def test_a_chain_carries_its_rest(add: Any, outbox: Outbox) -> None:
    result = chain(add.s(1, 1), add.s(2), add.s(3)).delay()
    ((task, args, embed),) = sent(outbox)
    assert (task, args) == ("add", [1, 1])
    assert [one["args"] for one in embed["chain"]] == [[3], [2]]
    ids = [one["options"]["task_id"] for one in embed["chain"]]
    assert [result.id, result.parent.id] == ids
    assert result.parent.parent.id == outbox.last.message.headers.id


def test_a_group_leaves_in_one_publish(add: Any, outbox: Outbox) -> None:
    result = group(add.s(i, i) for i in range(4)).delay()
    assert outbox.batches == [4]
    heads = [one.message.headers for one in outbox.messages]
    assert [(one.group, one.group_index) for one in heads] == [(result.id, n) for n in range(4)]
    assert [one.id for one in result] == [one.id for one in heads]


def test_a_chord_opens_its_join_before_it_leaves(app: Umbel, add: Any, total: Any, outbox: Outbox) -> None:
    result = chord([add.s(1, 1), add.s(2, 2)], total.s())()
    bodies = [embed["chord"] for _, _, embed in sent(outbox)]
    assert bodies[0] == bodies[1]
    assert bodies[0]["options"] == {"task_id": result.id, "group_id": result.parent.id}
    assert len(result.parent) == 2


def test_messages_carry_no_more_of_what_follows_than_the_setting_says(
    app: Umbel, add: Any, total: Any, outbox: Outbox
) -> None:
    whole = chain(chord([add.s(n) for n in range(40)], total.s()), *(add.s(n) for n in range(40)))
    assert app.conf.task_max_rest == 4096
    whole.apply_async()
    assert all(one.message.body.find(b'"umbel.rest"') > 0 for one in outbox.messages)
    assert max(len(one.message.body) for one in outbox.messages) < 200
    outbox.messages.clear()
    app.conf.task_max_rest = None
    whole.apply_async()
    assert all(one.message.body.find(b'"umbel.rest"') < 0 for one in outbox.messages)
    assert min(len(one.message.body) for one in outbox.messages) > 4096


def test_other_serializers_than_json_have_messages_carry_everything(
    app: Umbel, add: Any, total: Any, outbox: Outbox
) -> None:
    app.conf.update(task_max_rest=0, task_serializer="pickle", accept_content=["json", "pickle"])
    chord([add.s(n) for n in range(3)], total.s()).apply_async()
    assert all(b"umbel.rest" not in one.message.body for one in outbox.messages)


def test_links(add: Any, total: Any, outbox: Outbox) -> None:
    add.apply_async((1, 2), link=add.s(3), link_error=[total.s(), add.si(1)])
    ((_, _, embed),) = sent(outbox)
    assert embed == {
        "callbacks": [sig("add", 3)],
        "errbacks": [sig("total"), {**sig("add", 1), "immutable": True}],
    }
    one = add.s(1)
    assert one.link(add.s(2)) == add.s(2)
    assert one.on_error(total.s()) is one
    one.link(add.s(2))  # a second time adds nothing
    assert [item["args"] for item in one.flatten_links()] == [(1,), (2,)]


def test_a_group_takes_no_links_when_it_is_called(add: Any) -> None:
    for option in ("link", "link_error"):
        with pytest.raises(TypeError, match="use a chord"):
            group(add.s(1)).apply_async(**{option: add.s()})


def test_links_of_groups_and_chords(add: Any, total: Any) -> None:
    many = group(add.s(1), add.s(2))
    many.link(add.s(9))
    many.link_error(total.s())
    assert [[bool(one["immutable"]) for one in task.options.get("link", ())] for task in many.tasks] == [[True], []]
    assert [len(task.options["link_error"]) for task in many.tasks] == [1, 1]
    both = chord([add.s(1)], total.s())
    both.link(add.s(9))
    both.link_error(add.s(8))
    assert both.body.options == {"link": [add.s(9)], "link_error": [add.s(8)]}
    assert both.tasks[0].options == {}


def test_errbacks_of_a_header_by_setting(app: Umbel, add: Any, total: Any) -> None:
    app.conf.task_allow_error_cb_on_chord_header = True
    both = chord([add.s(1)], total.s())
    both.link_error(add.s(8))
    assert both.tasks[0].options["link_error"] == both.body.options["link_error"] == [add.s(8)]


def test_chunks_are_sent_as_starmaps(add: Any, outbox: Outbox) -> None:
    add.chunks(zip(range(3), range(3), strict=True), 2).delay()
    assert [task for task, _, _ in sent(outbox)] == ["celery.starmap", "celery.starmap"]
    assert isinstance(add.chunks([(1, 1)], 2), chunks)
    assert len(add.chunks([(1, 1), (2, 2), (3, 3)], 2).group()) == 2


def test_a_frozen_signature_is_called_under_its_id(add: Any, outbox: Outbox) -> None:
    one = add.s(1)
    handle = one.freeze("mine")
    assert (handle.id, one.id, one.delay().id) == ("mine", "mine", "mine")
    two = chain(add.s(1), add.s(2))
    frozen = two.freeze()
    assert two.delay() == frozen
    assert frozen.parent.id == outbox.last.message.headers.id


def test_coroutines_send_the_same(app: Umbel, add: Any, total: Any, outbox: Outbox) -> None:
    async def main() -> Any:
        await add.s(1).adelay(2)
        await chain(add.s(1), add.s(2)).adelay()
        await group(add.s(1), add.s(2)).adelay()
        return await (group(add.s(1), add.s(2)) | total.s()).adelay()

    result = asyncio.run(main())
    assert len(outbox.messages) == 6
    assert result.parent is not None


def test_a_chord_without_a_result_store_is_refused_when_it_is_called(total: Any, outbox: Outbox) -> None:
    outside = Umbel("none", broker="memory://", set_as_current=False)
    outside.conf.result_backend = "disabled://"
    for whole in (
        chord([total.s([1])], total.s(), app=outside),
        chain(total.s([1]), group(total.s(), total.s()), total.s(), app=outside),
    ):
        whole.own_app = outside
        with pytest.raises(NotImplementedError, match="a chord needs a result store"):
            whole.delay()
    assert outbox.messages == []


@pytest.mark.parametrize("option", ["link", "link_error"])
def test_so_is_one_that_is_called_later(option: str, tmp_path: Any) -> None:
    with Umbel("none", broker=f"sqlite:///{tmp_path / 'b.db'}", backend="disabled://", set_as_current=False) as app:
        task = app.task(lambda *values: values, name="t")
        later: dict[str, Any] = {option: chord([task.s(), task.s()], task.s())}
        for call in (
            lambda: task.apply_async(**later),
            lambda: chain(task.s(), task.s()).apply_async(**later),
            lambda: group(task.s().set(**later), task.s()).delay(),
        ):
            with pytest.raises(NotImplementedError, match="a chord needs a result store"):
                call()
        assert app.sync_producer.survey(["celery"])[0].ready == 0


def test_in_a_bulk_block_canvas_waits_for_the_end(app: Umbel, add: Any, outbox: Outbox) -> None:
    with app.bulk():
        group(add.s(1), add.s(2)).delay()
        chain(add.s(1), add.s(2)).delay()
        assert outbox.messages == []
    assert outbox.batches == [3]


# Stamps ---------------------------------------------------------------------------------------------------------------


def test_stamps_travel_in_headers(add: Any, outbox: Outbox) -> None:
    whole = chain(add.s(1), add.s(2))
    whole.stamp(job="J1")
    whole.delay()
    head = outbox.last.message.headers
    assert (head.stamped_headers, head.stamps) == (["job"], {"job": "J1"})
    ((_, _, embed),) = sent(outbox)
    assert embed["chain"][0]["options"]["job"] == "J1"


def test_later_stamps_replace_and_with_append_join(add: Any) -> None:
    one = add.s(1)
    one.stamp(x=1)
    one.stamp(x=2, y=3)
    assert one.options == {"x": 2, "y": 3, "stamped_headers": ["x", "y"]}
    one.stamp(append_stamps=True, x=5)
    assert one.options["x"] == [5, 2]


def test_a_visitor_sees_everything(add: Any, total: Any) -> None:
    seen: list[str] = []

    class Visitor(StampingVisitor):
        def on_signature(self, sig: Signature[Any], **headers: Any) -> dict[str, Any]:
            seen.append(f"{sig['task']} {sorted(k for k in headers if k != 'stamped_headers')}")
            return {"mark": sig["task"]}

        def on_group_start(self, group: Any, **headers: Any) -> dict[str, Any]:
            return {"in_group": True}

        def on_chain_start(self, chain: Any, **headers: Any) -> dict[str, Any]:
            return {"in_chain": True}

        def on_chord_body(self, chord: Any, **header: Any) -> dict[str, Any]:
            return {"in_body": True}

        def on_callback(self, callback: Signature[Any], **header: Any) -> dict[str, Any]:
            return {"called_back": True}

        def on_errback(self, errback: Signature[Any], **header: Any) -> dict[str, Any]:
            return {"went_wrong": True}

    step = add.s(1)
    step.link(add.s("callback"))
    step.link_error(add.s("errback"))
    whole = chain(step, chord([add.s(2)], total.s()))
    whole.stamp(Visitor())
    assert seen == [
        "add ['called_back', 'in_chain']",
        "add ['in_chain', 'went_wrong']",
        "add ['in_chain']",
        "add ['in_chain', 'in_group']",
        "total ['in_body', 'in_chain', 'in_group']",
    ]
    assert whole.tasks[0].options["mark"] == "add"
    assert "mark" in whole.tasks[0].options["stamped_headers"]


# Names ----------------------------------------------------------------------------------------------------------------


def test_a_signature_of_a_name_needs_no_task(app: Umbel, outbox: Outbox) -> None:
    signature("elsewhere", args=(1,), kwargs={"y": 2}, app=app, queue="q").delay(0)
    assert outbox.last.queue == "q"
    assert sent(outbox) == [("elsewhere", [0, 1], {})]


def test_every_app_has_celerys_built_in_tasks(app: Umbel) -> None:
    names = "accumulate backend_cleanup chain chord chord_unlock chunks group map starmap"
    ping = "celery.ping"  # of celery.contrib.testing: in every app as soon as one test has imported that
    found = sorted(name for name in app.tasks if name.startswith("celery.") and name != ping)
    assert found == [f"celery.{n}" for n in names.split()]
    with pytest.raises(NotImplementedError):
        app.tasks["celery.chain"]()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda a, bad: chain(a.s(1), group(a.s(bad), a.s())), r"argument 1 of a, in the chain after a"),
        (lambda a, bad: chord([a.s(1), a.s(2)], a.s(y=bad)), r"argument 'y' of a, in the body of the chord after a"),
        (lambda a, bad: group(a.s(1), chain(a.s(2), a.s(3, bad))), r"argument 2 of a, in the chain after a"),
        (lambda a, bad: group(a.s(1), a.s({"deep": [bad]})), r"argument 1 \('x'\) of a, at \['deep'\]\[0\]"),
    ],
)
def test_what_cannot_be_encoded_is_told_by_its_place_and_nothing_is_sent(
    app: Umbel, outbox: Outbox, make: Any, said: str
) -> None:
    task = app.task(lambda x=None, y=None: x, name="a")
    with pytest.raises(EncodeError, match=said):
        make(task, object()).delay()
    assert outbox.messages == []


def test_a_chord_without_a_body_is_refused(a: Any, outbox: Outbox) -> None:
    with pytest.raises(InvalidTaskError, match="a chord has no body"):
        chord([a.s(1)]).delay()
    assert outbox.messages == []


def test_apply_runs_callbacks_and_errbacks_and_fails_like_a_worker(app: Umbel) -> None:
    seen: list[Any] = []
    say = app.task(lambda *values: seen.append(values), name="say")
    a = app.task(lambda x=None: x, name="a")

    def fail(*values: Any) -> None:
        raise KeyError("boom")

    broken = app.task(fail, name="broken")
    a.apply((1,), link=say.s())
    result = broken.apply(link_error=say.s())
    assert seen[0] == (1,)
    request, error, traceback = seen[1]
    assert (request.id, request.task, repr(error)) == (result.id, "broken", "KeyError('boom')")
    assert traceback == result.traceback
    after = chain(broken.s(), a.s()).apply()
    assert after.state == "FAILURE"
    with pytest.raises(KeyError, match="boom"):
        after.get()
    with pytest.raises(ChordError, match=r"raised KeyError\('boom'\)"):
        chord([a.s(1), broken.s()], a.s()).apply().get()


def test_errbacks_of_apply_get_what_their_parameters_ask_for(app: Umbel) -> None:
    seen: list[Any] = []
    broken = app.task(lambda: 1 // 0, name="broken")

    @app.task(name="old")
    def old(task_id: str) -> None:
        seen.append(("old", task_id))

    @app.task(bind=True, name="bound")
    def bound(self: Any, task_id: str) -> None:
        seen.append(("bound", task_id))

    @app.task(name="new")
    def new(request: Any, exc: BaseException, traceback: str) -> None:
        seen.append(("new", request.id, type(exc), "ZeroDivisionError" in traceback))

    broken.apply(task_id="t", link_error=[old.s(), new.s(), bound.s()])
    assert seen == [("new", "t", ZeroDivisionError, True), ("old", "t"), ("bound", "t")]


def test_errbacks_of_a_body_that_apply_does_not_run_hear_of_its_header(app: Umbel) -> None:
    seen: list[Any] = []
    a, broken = app.task(lambda *values: values, name="a"), app.task(lambda: 1 // 0, name="broken")

    @app.task(name="old")
    def old(task_id: str) -> None:
        seen.append(task_id)

    @app.task(name="new")
    def new(request: Any, exc: BaseException, traceback: str) -> None:
        seen.append((request.id, type(exc)))

    result = chain(group(broken.s(), broken.s()), a.s(), a.s()).apply(link_error=[old.s(), new.s()])
    assert result.state == "FAILURE"
    told = [one for one in seen if isinstance(one, tuple) and one[1] is ChordError]
    assert len(told) == 1
    assert seen.count(told[0][0]) == 1


def test_a_task_replaces_itself_and_is_refused_where_it_does_not_run_as_one(app: Umbel) -> None:
    @app.task(bind=True, name="down")
    def down(self: Any, n: int) -> Any:
        return "done" if n == 0 else self.replace(group(down.s(n - 1), down.s(0)))

    assert down.apply((2,)).get() == [["done", "done"], "done"]
    with pytest.raises(ImproperlyConfigured, match="for a task that runs as one"):
        down(1)


def test_skew_puts_members_off_one_after_the_other_as_far_as_it_says(app: Umbel, add: Any) -> None:
    def skewed(**how: float) -> list[float]:
        return [task.options["countdown"] for task in group(add.s(n) for n in range(5)).skew(**how).tasks]

    assert skewed() == [1, 2, 3, 4, 5]
    assert skewed(start=1, stop=3) == [1, 2, 3, 3, 3]
    assert skewed(start=1, stop=4, step=2) == [1, 3, 3, 3, 3]
