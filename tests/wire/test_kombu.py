"""Elements of kombu's Redis lists: what a real Celery pushed is read, and what we push has Celery's form."""

import base64
import json as stdlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import golden
from tests.wire.test_envelope import CUSTOM, HEADERS
from umbel.core.errors import Undecodable
from umbel.core.message import DeliveryInfo, Headers, Message, Properties
from umbel.wire import body, envelope, kombu

JSON = frozenset({"application/json"})
ID = "11111111-2222-3333-4444-555555555555"
CALLS = ("plain", "everything", "by_name", "redelivered", "routed", "pickled", "compressed")

each_version = pytest.mark.parametrize("version", golden.VERSIONS)


def element(headers: Any = None, properties: Any = None, **more: Any) -> bytes:
    parts = {"body": "W10=", "headers": headers or {"task": "t", "id": "1"}, "properties": properties or {}}
    return stdlib.dumps({**parts, **more}).encode()


# Reading what Celery pushed


@each_version
@pytest.mark.parametrize("name", CALLS)
def test_an_element_is_the_message_of_its_parts(version: str, name: str) -> None:
    raw = golden.element(version, name)
    found = kombu.decode(raw)
    parts = stdlib.loads(raw)
    expected = envelope.decode(raw, base64.b64decode(parts["body"]))
    assert found == expected
    assert (found.headers.task, found.headers.id, found.head) == ("golden.add", ID, raw)


@each_version
def test_the_usual_element_is_read_the_short_way(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(kombu, "_decode_leniently")
    for name in CALLS:
        kombu.decode(golden.element(version, name))


@each_version
def test_arguments_priority_and_own_headers_arrive(version: str) -> None:
    message = kombu.decode(golden.element(version, "everything"))
    assert body.decode(message, JSON)[:2] == ([1], {"y": 2})
    assert (message.properties.priority, message.properties.reply_to) == (5, "someone")
    assert envelope.custom_headers(message)["trace"] == "abc"


@each_version
def test_a_message_that_an_exchange_sent_says_so(version: str) -> None:
    route = kombu.decode(golden.element(version, "routed")).properties.delivery_info
    assert (route.exchange, route.routing_key) == ("media", "media.video.mp4")


@each_version
def test_an_element_that_was_handed_back_is_told_from_the_others(version: str) -> None:
    assert kombu.redelivered(golden.element(version, "redelivered"))
    assert not any(kombu.redelivered(golden.element(version, name)) for name in CALLS if name != "redelivered")
    assert not kombu.redelivered(b'"redelivered" and no JSON')
    assert not kombu.redelivered(element({"task": "t", "id": "1", "redelivered": True}))


@each_version
def test_protocol_1_is_read(version: str) -> None:
    message = envelope.upgrade(kombu.decode(golden.element(version, "protocol_1")), JSON)
    assert (message.headers.task, message.headers.id) == ("golden.add", ID)


@each_version
def test_an_id_that_is_a_number_becomes_text(version: str) -> None:
    message = kombu.decode(golden.element(version, "numeric_id"))
    assert (message.headers.id, message.headers.root_id, message.properties.correlation_id) == ("7", "7", "7")


def test_a_body_that_is_not_in_base64_is_text() -> None:
    assert kombu.decode(element(body="[[1], {}, null]")).body == b"[[1], {}, null]"
    assert kombu.decode(element(body="W10=", properties={"body_encoding": None})).body == b"W10="
    assert kombu.decode(element(body=[[1], {}, None])).body == b"[[1],{},null]"


def test_whatever_is_not_said_has_its_default() -> None:
    message = kombu.decode(element(properties={"body_encoding": "base64"}))
    assert (message.properties, message.body) == (Properties(), b"[]")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff{ this is no message", "not JSON"),
        (b"[]", "not a mapping"),
        (element(body=None), "it has no body"),
        (element(body="A", properties={"body_encoding": "base64"}), "its body is not base64"),
        (element({"task": "t"}), "it has no task id"),
        (element({"task": 5, "id": "1"}), "its task is 5"),
        (element({"task": "t", "id": "1", "eta": "\ud800"}), "its eta is"),
        (element().replace(b'"body": "', b'"body": "\xff'), "it is not JSON"),
    ],
)
def test_what_is_no_message_says_why(raw: bytes, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        kombu.decode(raw)


KEYS = ["headers", "properties", "body", "body_encoding", "task", "id", "delivery_info", "content-type", "redelivered"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("base64"),
    lambda x: st.lists(x) | st.dictionaries(st.sampled_from(KEYS), x),
)


@given(st.binary() | VALUES.map(lambda value: stdlib.dumps(value).encode()))
def test_any_bytes_are_a_message_or_undecodable(raw: bytes) -> None:
    kombu.redelivered(raw)
    try:
        message = kombu.decode(raw)
    except Undecodable:
        return
    kombu.encode(message, "other")


@given(st.dictionaries(st.integers(0, 10_000), st.integers(0, 255), min_size=1, max_size=4))
def test_a_damaged_element_is_a_message_or_undecodable(damage: dict[int, int]) -> None:
    raw = bytearray(golden.element("5.6.3", "plain"))
    for place, byte in damage.items():
        raw[place % len(raw)] = byte
    test_any_bytes_are_a_message_or_undecodable.hypothesis.inner_test(bytes(raw))  # type: ignore[attr-defined]


# Writing


@each_version
@pytest.mark.parametrize("name", CALLS)
def test_we_push_what_celery_pushed(version: str, name: str) -> None:
    raw = golden.element(version, name)
    message = kombu.decode(raw)
    written, expected = stdlib.loads(kombu.encode(message)), stdlib.loads(raw)
    expected["properties"]["delivery_info"].pop("redelivered", None)  # kombu's word about one delivery
    assert written == expected


def test_a_new_message_has_celerys_form() -> None:
    message = Message(golden.message("plain").headers, Properties(ID, "someone"), golden.body("plain"))
    written, expected = stdlib.loads(kombu.encode(message)), stdlib.loads(golden.element("5.7.0", "plain"))
    assert written.keys() == expected.keys()
    assert written["headers"] == expected["headers"]
    assert written["properties"].keys() == expected["properties"].keys()
    assert base64.b64decode(written["body"]) == golden.body("plain")


def test_each_element_has_a_tag_of_its_own() -> None:
    message = Message(golden.message("plain").headers, Properties(ID), b"[]")
    tags = {kombu.decode(kombu.encode(message)).properties.delivery_tag for _ in range(100)}
    assert len(tags) == 100
    assert None not in tags


def test_a_message_says_which_queue_it_is_in_unless_an_exchange_sent_it() -> None:
    message = golden.message("plain")
    assert kombu.decode(kombu.encode(message, "other")).properties.delivery_info == DeliveryInfo("", "other")
    assert message.properties.delivery_info == DeliveryInfo("", "celery")
    routed = kombu.decode(golden.element("5.7.0", "routed"))
    assert kombu.decode(kombu.encode(routed, "videos")).properties == routed.properties


def test_text_that_utf_8_cannot_say_is_pushed_as_well() -> None:
    message = golden.message("plain")
    message.headers.argsrepr = "\ud800"
    assert kombu.decode(kombu.encode(message)).headers.argsrepr == "\ud800"


@given(HEADERS, CUSTOM, st.binary())
def test_a_message_arrives_as_it_was_sent(headers: Headers, custom: dict[str, Any] | None, data: bytes) -> None:
    sent = Message(headers, Properties("1", priority=4, expiration="500", delivery_tag="d"), data, custom=custom)
    found = kombu.decode(kombu.encode(sent))
    assert (found.headers, found.properties, found.body) == (sent.headers, sent.properties, sent.body)
    assert envelope.custom_headers(found) == (custom or {})
    assert msgspec.structs.replace(found, head=b"").body == data
