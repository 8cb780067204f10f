"""Heads: what a real Celery wrote is read, and what we write has Celery's form."""

import json as stdlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import golden
from umbel.core.errors import ContentDisallowed, Undecodable
from umbel.core.message import DeliveryInfo, Headers, Message, Properties
from umbel.wire import body, envelope

JSON = frozenset({"application/json"})
ID = "11111111-2222-3333-4444-555555555555"


def head(headers: Any = None, properties: Any = None, **more: Any) -> bytes:
    return stdlib.dumps({"headers": headers, "properties": properties or {}, **more}).encode()


# Reading what Celery wrote


@pytest.mark.parametrize("name", [name for name in golden.NAMES if name not in ("protocol_1", "numeric_id", "chain")])
def test_the_metadata_of_a_call_is_read(name: str) -> None:
    message = golden.message(name)
    assert (message.headers.task, message.headers.id) == ("golden.add", ID)
    assert message.properties.correlation_id == ID
    assert message.properties.delivery_info == DeliveryInfo("", "celery")
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")


def test_a_plain_call_has_the_defaults() -> None:
    headers = golden.message("plain").headers
    assert headers == Headers(
        "golden.add", ID, root_id=ID, argsrepr="(2, 2)", kwargsrepr="{}", origin="gen1@host", ignore_result=False
    )


def test_every_option_of_a_call_is_read() -> None:
    message = golden.message("everything")
    assert message.headers == Headers(
        task="golden.add",
        id=ID,
        shadow="shown",
        eta="2026-11-20T15:36:22.847286+00:00",
        expires="2036-11-17T15:36:22.847286+00:00",
        timelimit=(30, 20.5),
        root_id="root",
        parent_id="parent",
        argsrepr="(1,)",
        kwargsrepr="{'y': 2}",
        origin="gen1@host",
        ignore_result=True,
        stamped_headers=["job"],
        stamps={"job": "J1"},
    )
    assert (message.properties.priority, message.properties.reply_to) == (5, "someone")
    assert envelope.custom_headers(message) == {
        "trace": "abc",
        "when": datetime(2026, 11, 20, 15, 36, 22, 847286, tzinfo=UTC),
    }


def test_a_task_name_that_is_null_is_protocol_1s_business() -> None:
    assert envelope.decode(b'{"headers":{"task":null,"id":null}}', b"").headers == Headers("", "")


def test_a_task_sent_by_name_leaves_ignore_result_open() -> None:
    assert golden.message("by_name").headers.ignore_result is None


def test_an_id_that_is_a_number_becomes_text() -> None:
    message = golden.message("numeric_id")
    assert (message.headers.id, message.headers.root_id, message.properties.correlation_id) == ("7", "7", "7")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"timelimit": None}, {}),
        ({"timelimit": [5, None]}, {"timelimit": (5, None)}),
        ({"retries": None, "replaced_task_nesting": None, "lang": None}, {}),
        ({"stamps": None, "stamped_headers": None}, {}),
        ({"priority": 3, "anything": {"else": [1]}}, {}),
        ({"group_index": None, "group": None}, {}),
        ({"compression": None}, {}),
        ({"origin": {"service": "web"}}, {}),  # an own header that took a known name
    ],
)
def test_nulls_and_strangers_among_the_headers_do_no_harm(headers: dict[str, Any], expected: dict[str, Any]) -> None:
    found = envelope.decode(head({"task": "t", "id": "1", **headers}), b"").headers
    stamps = found.stamps or {}
    found = msgspec.structs.replace(found, stamps=stamps, compression=found.compression or msgspec.UNSET)
    assert found == Headers("t", "1", **{"timelimit": found.timelimit and (None, None), **expected})


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (None, Properties()),
        ({}, Properties()),
        ({"priority": None}, Properties(priority=None)),
        ({"delivery_info": {"exchange": "e", "routing_key": "k", "redelivered": True}}, None),
        ({"delivery_info": None, "delivery_mode": None}, Properties()),
        ({"user_id": "u", "timestamp": 5, "body_encoding": "base64"}, Properties()),
    ],
)
def test_nulls_and_strangers_among_the_properties_do_no_harm(
    properties: dict[str, Any] | None, expected: Properties | None
) -> None:
    found = envelope.decode(head({"task": "t", "id": "1"}, properties), b"").properties
    assert found == (expected or Properties(delivery_info=DeliveryInfo("e", "k")))


def test_a_content_type_that_is_not_said_is_json() -> None:
    for more in ({}, {"content-type": None, "content-encoding": None}):
        message = envelope.decode(head({"task": "t", "id": "1"}, **more), b"")
        assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "its head is not JSON"),
        (b"\xff\xfe\x00", "its head is not JSON"),
        (b"[]", "not a mapping with headers"),
        (head(headers=[]), "not a mapping with headers"),
        (head({"task": "t"}), "it has no task id"),
        (head({"task": "t", "id": None}), "it has no task id"),
        (head({"task": 5, "id": "1"}), "its task is 5"),
        (head({"task": "t", "id": "\ud800"}), "its id is"),
        (head({"task": "t", "id": "1", "eta": 12345}), "its eta is 12345"),
        (head({"task": "t", "id": "1", "retries": "many"}), "its retries is 'many'"),
        (head({"task": "t", "id": "1"}, {"delivery_info": "celery"}), "its delivery_info is 'celery'"),
    ],
)
def test_what_is_no_message_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        envelope.decode(data, b"")


@given(
    st.binary()
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["headers", "properties", "task", "id", "delivery_info", "content-type", "retries"]), x
            )
        ),
    ).map(lambda value: stdlib.dumps(value).encode())
)
def test_any_bytes_are_a_message_or_undecodable(data: bytes) -> None:
    try:
        message = envelope.decode(data, b"")
    except Undecodable:
        return
    envelope.custom_headers(message)
    envelope.encode(message)


def test_a_header_of_the_callers_own_may_be_damaged() -> None:
    data = head({"task": "t", "id": "1", "own": "x!"}).replace(b"x!", b"x\xff")
    assert envelope.custom_headers(envelope.decode(data, b"")) == {"own": "x\ufffd"}


# Writing


@pytest.mark.parametrize("name", ["plain", "by_name", "wrapped"])
def test_we_write_the_head_that_celery_writes(name: str) -> None:
    message = golden.message(name)
    message.custom, message.head = None, b""
    written, expected = stdlib.loads(envelope.encode(message)[0]), stdlib.loads(golden.head(name))
    del expected["properties"]["body_encoding"]  # kombu's, for bodies inside the envelope
    assert written.pop("properties").items() >= expected.pop("properties").items()
    assert written == expected


def test_own_headers_stand_beside_the_others_and_may_override_them() -> None:
    message = Message(Headers("t", "1"), Properties(), b"[]", custom={"trace": "abc", "shadow": "mine"})
    written = stdlib.loads(envelope.encode(message)[0])["headers"]
    assert (written["trace"], written["shadow"], written["task"]) == ("abc", "mine", "t")


def test_own_headers_of_a_message_that_arrived_survive_its_next_journey() -> None:
    message = golden.message("everything")
    message.headers.retries += 1
    again = envelope.decode(*envelope.encode(message))
    assert again.headers == message.headers
    assert envelope.custom_headers(again) == envelope.custom_headers(message)


def test_own_headers_that_were_replaced_are_not_read_from_the_head() -> None:
    message = golden.message("everything")
    message.custom = {"only": "this"}
    assert envelope.custom_headers(envelope.decode(*envelope.encode(message))) == {"only": "this"}


def test_a_message_that_never_travelled_has_no_own_headers() -> None:
    assert envelope.custom_headers(Message(Headers("t", "1"), Properties(), b"")) == {}


TEXT = st.none() | st.text()
HEADERS = st.builds(
    Headers,
    task=st.text(min_size=1),
    id=st.text(min_size=1),
    shadow=TEXT,
    eta=TEXT,
    expires=TEXT,
    group=TEXT,
    group_index=st.none() | st.integers(0, 10**9),
    retries=st.integers(0, 10**9),
    timelimit=st.tuples(st.none() | st.floats(0, 1e9), st.none() | st.floats(0, 1e9)),
    root_id=TEXT,
    stamps=st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.text())),
    stamped_headers=st.none() | st.lists(st.text()),
)
CUSTOM = st.none() | st.dictionaries(
    st.text(min_size=1).filter(lambda name: name not in Headers.__struct_fields__),
    st.text() | st.integers() | st.datetimes() | st.binary(),
    min_size=1,
)


@given(HEADERS, CUSTOM, st.binary())
def test_a_message_arrives_as_it_was_sent(headers: Headers, custom: dict[str, Any] | None, data: bytes) -> None:
    sent = Message(headers, Properties("1", priority=4, expiration="500"), data, custom=custom)
    found = envelope.decode(*envelope.encode(sent))
    assert (found.headers, found.properties, found.body) == (sent.headers, sent.properties, sent.body)
    assert envelope.custom_headers(found) == (custom or {})


# Protocol 1


def test_a_call_of_protocol_1_becomes_one_of_protocol_2() -> None:
    message = envelope.upgrade(golden.message("protocol_1"), JSON)
    assert (message.headers.task, message.headers.id, message.headers.retries) == ("golden.add", ID, 0)
    assert message.headers.eta == "2026-11-20T15:36:22.847286+00:00"
    args, kwargs, embed = body.decode(message, JSON)
    assert (args, kwargs) == ([1], {"y": 2})
    assert embed.callbacks is not None
    assert [signature["task"] for signature in embed.callbacks] == ["golden.end"]
    assert (embed.errbacks, embed.chain, embed.chord) == (None, None, None)


def test_a_message_of_protocol_2_is_left_alone() -> None:
    message = golden.message("plain")
    assert envelope.upgrade(message, frozenset()) is message


def test_taskset_is_the_old_name_of_group() -> None:
    call = {"task": "t", "id": "1", "taskset": "g"}
    assert envelope.upgrade(envelope.decode(head({}), stdlib.dumps(call).encode()), JSON).headers.group == "g"


def test_local_times_of_protocol_1_get_their_offset() -> None:
    call = {"task": "t", "id": "1", "utc": False, "eta": "2026-11-20T12:00:00"}
    message = envelope.upgrade(envelope.decode(head({}), stdlib.dumps(call).encode()), JSON)
    assert message.headers.eta == datetime(2026, 11, 20, 12).astimezone().isoformat()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "its body is not JSON"),
        (b"[[],{},{}]", "no call of protocol 1"),
        (b'{"task": "t"}', "no call of protocol 1"),
        (b'{"task": "t", "id": "1", "eta": "soon", "utc": false}', "its eta is 'soon'"),
    ],
)
def test_neither_protocol_is_undecodable(data: bytes, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        envelope.upgrade(envelope.decode(head({}), data), JSON)


def test_the_body_of_protocol_1_is_not_decoded_unless_accepted() -> None:
    message = envelope.decode(head({}, **{"content-type": "application/x-python-serialize"}), b"cos\nsystem\n")
    with pytest.raises(ContentDisallowed):
        envelope.upgrade(message, JSON)
