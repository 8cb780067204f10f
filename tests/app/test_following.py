"""What follows a task as messages: complete, the same when built again, and errbacks in both of their forms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from umbel import Umbel
from umbel.app.following import Error, Follower
from umbel.app.request import Context
from umbel.core.joining import Closing, Joined, Part
from umbel.core.message import Embed, Headers, Message, Properties
from umbel.core.signature import chord_of, group_of, make
from umbel.wire import body as wire_body
from umbel.wire import parts

called: list[tuple[Any, ...]] = []


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Umbel]:
    app = Umbel("following", broker=f"sqlite:///{tmp_path / 'f.db'}", set_as_current=False)

    @app.task(name="add")
    def add(x: int, y: int = 0) -> int:
        return x + y

    @app.task(name="two")
    def two(request: Any, exc: Any, traceback: Any) -> None:
        called.append((request.id, exc, traceback))

    @app.task(name="any")
    def anything(*args: Any) -> None:
        called.append(args)

    @app.task(name="one")
    def one(task_id: str) -> None:
        raise AssertionError("it gets a message")

    @app.task(name="bound", bind=True)
    def bound(self: Any, request: Any, exc: Any = None, traceback: Any = None) -> None:
        raise AssertionError("it gets a message")

    @app.task(name="adds", bind=True)
    def adds(self: Any, x: int, y: int) -> int:
        return x + y

    @app.task(name="raises")
    def raises(request: Any, exc: Any, traceback: Any) -> None:
        raise ValueError("in an errback")

    called.clear()
    yield app
    app.close()


def context(embed: Embed, **headers: Any) -> Context:
    head = Headers("first", "id-1", root_id="root", **headers)
    return Context(Message(head, Properties(), b""), embed, called_directly=False)


def shown(messages: Any) -> list[tuple[Any, ...]]:
    found = []
    for outgoing in messages:
        headers = outgoing.message.headers
        args, _, embed = wire_body.decode(outgoing.message, frozenset(["application/json"]))
        found.append((headers.task, args, headers.parent_id, headers.root_id, embed))
    return found


def test_links_carry_the_value_the_rest_and_where_they_come_from(app: Umbel) -> None:
    last, rest = make("add", options={"task_id": "last"}), make("add", [7])
    after = Follower(app).succeeded(context(Embed(callbacks=[make("add", [5])], chain=[last, rest])), 3, b"3")
    assert shown(after.publish) == [
        ("add", [3, 5], "id-1", "root", Embed()),
        ("add", [3, 7], "id-1", "root", Embed(chain=[last])),
    ]


def test_what_is_built_again_has_the_same_ids(app: Umbel) -> None:
    header = [make("add", [1]), make("add", [2])]
    embed = Embed(callbacks=[make("add"), make("add")], chain=[chord_of(header, make("add"))])
    once, again = (Follower(app).succeeded(context(embed), 3, b"3") for _ in range(2))
    ids = [outgoing.message.headers.id for outgoing in once.publish]
    assert ids == [outgoing.message.headers.id for outgoing in again.publish]
    assert len(set(ids)) == 4
    assert once.steps == again.steps
    other = Follower(app).succeeded(context(embed, group="g"), 3, b"3")
    assert [one.message.headers.id for one in other.publish] == ids


def test_a_task_that_cannot_make_all_of_its_calls_makes_none(app: Umbel) -> None:
    embed = Embed(callbacks=[make("add")], chain=[make("add", kwargs={"no": 1})])
    running = context(embed)
    with pytest.raises(TypeError, match="add"):
        Follower(app).succeeded(running, 3, b"3")
    assert running.children == []


def failed(app: Umbel, embed: Embed, **headers: Any) -> Any:
    error = KeyError("k")
    return Follower(app).failed(
        context(embed, **headers), Error("FAILURE", error, {"exc_type": "KeyError"}, "tb", "now")
    )


def test_errbacks_are_called_or_get_a_message(app: Umbel, caplog: pytest.LogCaptureFixture) -> None:
    names = ("two", "one", "raises", "adds", "bound", "unknown", "any")
    after = failed(app, Embed(errbacks=[make(name) for name in names]))
    assert [one[0] for one in called] == ["id-1", called[1][0]]
    assert called[0][1:] == called[1][1:]
    assert isinstance(called[0][1], KeyError)
    assert [(name, args, parent) for name, args, parent, _, _ in shown(after.publish)] == [
        (name, ["id-1"], "id-1") for name in ("one", "bound", "unknown")
    ]
    assert "in an errback" in caplog.text
    assert "Errback 'adds' of first[id-1] cannot be called: TypeError" in caplog.text


def test_an_errback_whose_signature_holds_arguments_takes_fewer(app: Umbel) -> None:
    after = failed(app, Embed(errbacks=[make("two", ["x", "y"]), make("any", ["x"], immutable=True)]))
    assert [name for name, *_ in shown(after.publish)] == ["two"]
    assert called == [("x",)]


def test_the_rest_of_a_chain_fails_and_its_join_hears_of_it_once(app: Umbel) -> None:
    waiting = make("add", options={"task_id": "tail", "group_id": "g", "group_index": 1, "chord": make("body")})
    after = failed(app, Embed(chain=[waiting, make("add", options={"task_id": "next"})]), group="other")
    assert {record.task_id: record.status for record in after.records} == {"tail": "FAILURE", "next": "FAILURE"}
    assert after.steps == [Part("g", "tail", 1, "FAILURE", {"exc_type": "KeyError"}, make("body"))]


def body_of(app: Umbel, body: Any, *states: str) -> Any:
    data = tuple(
        parts.encode(
            Part("g", f"t{n}", n, state, n if state == "SUCCESS" else {"exc_type": "KeyError", "exc_message": ["k"]})
        )
        for n, state in enumerate(states)
    )
    return Follower(app).joined(
        Joined("g", data), body, lambda error: Error("FAILURE", error, {"exc_type": type(error).__name__}, None, "now")
    )


def test_a_join_calls_its_body_and_is_closed(app: Umbel) -> None:
    after = body_of(app, make("add", options={"task_id": "body"}), "SUCCESS", "SUCCESS")
    assert [(name, args) for name, args, *_ in shown(after.publish)] == [("add", [[0, 1]])]
    assert (after.steps, after.records) == ([Closing("g")], [])


def test_a_join_with_failed_parts_fails_its_body_and_stays_open_for_better_ones(app: Umbel) -> None:
    body = make("add", options={"task_id": "body", "link_error": [make("two")]})
    after = body_of(app, body, "SUCCESS", "FAILURE", "REVOKED")
    assert after.publish == []
    assert [(record.task_id, record.status) for record in after.records] == [("body", "FAILURE")]
    assert after.steps == [Closing("g", failed=2)]
    ((task_id, error, _),) = called
    assert (task_id, str(error)) == ("body", "Dependency t1 raised KeyError('k')")


def test_a_body_that_cannot_be_called_fails(app: Umbel) -> None:
    after = body_of(app, make("add", kwargs={"no": 1}, options={"task_id": "body"}), "SUCCESS")
    assert [record.task_id for record in after.records] == ["body"]
    assert after.steps == [Closing("g")]


def test_each_member_of_a_body_fails_with_the_cause(app: Umbel) -> None:
    body = group_of([make("add", options={"task_id": "x"}), make("add", options={"task_id": "y"})])
    after = body_of(app, body, "FAILURE")
    assert [(record.task_id, record.result["exc_type"]) for record in after.records] == [
        ("x", "KeyError"),
        ("y", "KeyError"),
    ]
