"""The registry, and the gate before it: what is not accepted is never decoded."""

from collections.abc import Iterator

import pytest

from umbel.core.errors import ContentDisallowed, DecodeError, EncodeError, ImproperlyConfigured
from umbel.wire import serializers

JSON = frozenset({"application/json"})


@pytest.fixture
def shout() -> Iterator[None]:
    serializers.register("shout", lambda value: value.upper().encode(), bytes.decode, "text/shout")
    yield
    serializers.unregister("shout")


def test_json_is_built_in() -> None:
    assert serializers.encode([1], "json") == ("application/json", "utf-8", b"[1]")
    assert serializers.decode(b"[1]", "application/json", "utf-8", JSON) == [1]


def test_a_registered_serializer_is_found_by_name_and_content_type(shout: None) -> None:
    assert serializers.encode("hey", "shout") == ("text/shout", "utf-8", b"HEY")
    assert serializers.encode("hey", "text/shout") == ("text/shout", "utf-8", b"HEY")
    assert serializers.decode(b"HEY", "text/shout", "utf-8", serializers.content_types(["shout"])) == "HEY"


def test_an_unregistered_one_is_gone(shout: None) -> None:
    serializers.unregister("shout")
    with pytest.raises(ImproperlyConfigured, match="no serializer 'shout'; known are json"):
        serializers.encode("hey", "shout")
    with pytest.raises(DecodeError, match="no serializer reads text/shout"):
        serializers.decode(b"HEY", "text/shout", "utf-8", frozenset({"text/shout"}))


def test_what_is_not_accepted_is_never_decoded() -> None:
    decoded: list[bytes] = []
    serializers.register("trap", bytes, decoded.append, "application/x-trap")
    try:
        with pytest.raises(ContentDisallowed, match=r"application/x-trap is not accepted here .*see accept_content"):
            serializers.decode(b"", "application/x-trap", "binary", JSON)
    finally:
        serializers.unregister("trap")
    assert decoded == []


def test_an_accept_list_holds_names_and_content_types() -> None:
    assert serializers.content_types(["json", "application/x-foreign"]) == {"application/json", "application/x-foreign"}


def test_an_unknown_name_in_an_accept_list_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(ImproperlyConfigured, match="no serializer 'jsn'; known are json"):
        serializers.content_types(["jsn"])


def test_errors_of_a_serializer_are_ours(shout: None) -> None:
    with pytest.raises(EncodeError, match="shout: 'int' object has no attribute 'upper'"):
        serializers.encode(5, "shout")
    with pytest.raises(DecodeError, match=r"shout: .*codec can't decode"):
        serializers.decode(b"\xff", "text/shout", "utf-8", frozenset({"text/shout"}))


def test_another_encoding_than_utf_8_is_honoured() -> None:
    assert serializers.decode('["\u00fc"]'.encode("latin-1"), "application/json", "latin-1", JSON) == ["\u00fc"]
    with pytest.raises(DecodeError, match="not text in nonsense"):
        serializers.decode(b"[]", "application/json", "nonsense", JSON)


def test_replaced_json_is_not_stock_json() -> None:
    stock = serializers.decode, serializers.is_stock_json()
    original = serializers._by_name["json"]
    serializers.register("json", lambda value: b"mine", original.decode, "application/json")
    try:
        assert (stock[1], serializers.is_stock_json()) == (True, False)
        assert serializers.encode([], "json")[2] == b"mine"
    finally:
        serializers._by_name["json"] = serializers._by_content_type["application/json"] = original
