"""Bodies: arguments and what comes after, in Celery's form, and whose fault it is when they cannot travel."""

import json as stdlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import golden
from tests.wire.test_json import VALUES
from umbel.core.errors import ContentDisallowed, DecodeError, EncodeError, InvalidTaskError
from umbel.core.message import Embed, Headers, Message, Properties
from umbel.wire import body, compression, serializers

JSON = frozenset({"application/json"})
SIGNATURE: dict[str, Any] = {
    "task": "t",
    "args": [],
    "kwargs": {},
    "options": {},
    "subtask_type": None,
    "immutable": False,
}


def message(data: bytes, content_type: str = "application/json", **headers: Any) -> Message:
    return Message(Headers("t", "1", **headers), Properties(), data, content_type)


def test_we_write_what_celery_writes() -> None:
    assert stdlib.loads(body.encode((2, 2), {}, None, "json")[2]) == stdlib.loads(golden.body("plain"))


def test_arguments_of_all_wrapped_types_are_read() -> None:
    args, _, _ = body.decode(golden.message("wrapped"), JSON)
    assert {name: args[0][name] for name in VALUES} == VALUES
    assert args[0]["tuple"] == [1, [2]]


def test_what_comes_after_is_read() -> None:
    embed = body.decode(golden.message("chain"), JSON)[2]
    assert embed.chain is not None
    assert [link["task"] for link in embed.chain] == ["golden.add", "golden.end"]
    assert body.decode(golden.message("everything"), JSON)[2].errbacks == [
        {**SIGNATURE, "task": "golden.end", "immutable": True}
    ]


ARGUMENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.datetimes() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
SIGNATURES = st.none() | st.lists(
    st.just(SIGNATURE) | st.just({**SIGNATURE, "args": [datetime(2026, 1, 1, tzinfo=UTC)]})
)


@given(st.lists(ARGUMENT), st.dictionaries(st.text(), ARGUMENT), SIGNATURES, SIGNATURES)
def test_a_body_arrives_as_it_was_sent(
    args: list[object],
    kwargs: dict[str, object],
    callbacks: list[dict[str, Any]] | None,
    chain: list[dict[str, Any]] | None,
) -> None:
    embed = Embed(callbacks=callbacks, chain=chain, chord=SIGNATURE)
    for after in (None, embed):
        data = body.encode(args, kwargs, after, "json")[2]
        assert body.decode(message(data), JSON) == (args, kwargs, after or Embed())


def test_arguments_may_be_a_tuple() -> None:
    assert body.decode(message(body.encode((1, (2,)), {}, None, "json")[2]), JSON)[0] == [1, [2]]


@pytest.mark.parametrize(
    ("args", "kwargs", "names", "text"),
    [
        ([1, {"callback": print}], {}, {}, "args[1]['callback']: builtins.builtin_function_or_method cannot"),
        ([], {"when": {1}}, {}, "kwargs['when']: builtins.set cannot"),
        ([1, {1}], {}, {"task": "tasks.add", "parameters": ["x", "y"]}, "argument 2 ('y') of tasks.add: builtins.set"),
        ([{1}], {}, {"task": "tasks.add"}, "argument 1 of tasks.add: builtins.set"),
        ([], {"y": {1}}, {"task": "tasks.add"}, "argument 'y' of tasks.add: builtins.set"),
        (
            [1, {"callback": [print]}],
            {},
            {"task": "tasks.add", "parameters": ["x", "y"]},
            "argument 2 ('y') of tasks.add, at args[1]['callback'][0]: builtins.builtin",
        ),
        ([], {}, {"embed": Embed(callbacks=[{"args": [{1}]}])}, "embed['callbacks'][0]['args'][0]: builtins.set"),
    ],
)
def test_the_argument_that_cannot_travel_is_named(
    args: list[object], kwargs: dict[str, object], names: dict[str, Any], text: str
) -> None:
    with pytest.raises(EncodeError) as caught:
        body.encode(args, kwargs, names.pop("embed", None), "json", **names)
    assert str(caught.value).startswith(text)


def test_a_serializer_that_knows_no_path_still_names_the_task() -> None:
    serializers.register("numb", lambda value: bytes(int(1 / 0)), bytes.decode, "text/numb")
    try:
        with pytest.raises(EncodeError, match=r"an argument of tasks\.add: numb: division by zero"):
            body.encode([1], {}, None, "numb", task="tasks.add")
    finally:
        serializers.unregister("numb")


def test_a_replaced_json_is_used_both_ways() -> None:
    stock = serializers._by_name["json"]
    serializers.register("json", lambda value: b"mine", lambda data: [["yours"], {}, None], "application/json")
    try:
        assert body.encode([1], {}, None, "json")[2] == b"mine"
        assert body.decode(message(b"mine"), JSON)[0] == ["yours"]
    finally:
        serializers._by_name["json"] = serializers._by_content_type["application/json"] = stock


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[[1],{},null]", ([1], {}, Embed())),
        (b"[null,null,{}]", ([], {}, Embed())),
        (b'[[1],{},{"callbacks":[],"more":1}]', ([1], {}, Embed(callbacks=[]))),
        (b'{"args":[1],"kwargs":{"a":2},"chord":{"task":"c"}}', ([1], {"a": 2}, Embed(chord={"task": "c"}))),
        (b'{"args":[1]}', ([1], {}, Embed())),
        (b"[[Infinity],{},{}]", ([float("inf")], {}, Embed())),
    ],
)
def test_unusual_bodies_that_celery_accepts(
    data: bytes, expected: tuple[list[object], dict[str, object], Embed]
) -> None:
    assert body.decode(message(data), JSON) == expected


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (b"", DecodeError, "not JSON"),
        (b"[[1],{}", DecodeError, "not JSON"),
        (b"[]", InvalidTaskError, r"a body is \[args, kwargs, embed\]"),
        (b'{"task": "t"}', InvalidTaskError, "a body is"),
        (b'["ab",{},{}]', InvalidTaskError, "arguments are a list, not str"),
        (b"[[],[],{}]", InvalidTaskError, "keyword arguments are a mapping, not list"),
        (b"[[],{},5]", InvalidTaskError, "the third part of a body is a mapping, not int"),
        (b'[[{"__type__":"x","__value__":1}],{},{}]', DecodeError, "unknown wrapped type 'x'"),
    ],
)
def test_what_is_no_body_says_why(data: bytes, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        body.decode(message(data), JSON)


def test_content_that_is_not_accepted_is_refused_first() -> None:
    for content_type, accept in (("application/x-python-serialize", JSON), ("application/json", frozenset[str]())):
        with pytest.raises(ContentDisallowed, match=content_type):
            body.decode(message(b"garbage", content_type), accept)


@pytest.mark.parametrize("method", compression.names())
def test_a_compressed_body_is_read(method: str) -> None:
    kind, data = compression.compress(b"[[1], {}, {}]", method)
    assert data != b"[[1], {}, {}]"
    assert body.decode(message(data, compression=kind), JSON)[:2] == ([1], {})


def test_a_compressed_body_that_is_none_says_so() -> None:
    with pytest.raises(DecodeError, match=r"it is no application/x-gzip"):
        body.decode(message(b"\x1f\x8b", compression="application/x-gzip"), JSON)
    with pytest.raises(DecodeError, match=r"compressed by application/odd, which is not known here"):
        body.decode(message(b"", compression="application/odd"), JSON)


def test_what_is_not_accepted_is_not_decompressed_either() -> None:
    with pytest.raises(ContentDisallowed):
        body.decode(message(b"garbage", "application/x-yaml", compression="application/x-gzip"), JSON)
