"""MessagePack, YAML and pickle as kombu writes them; compression by its names; libraries that are missing."""

import pickle
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from umbel import compression as compression_door
from umbel import serialization
from umbel.core.errors import ContentDisallowed, DecodeError, EncodeError, ImproperlyConfigured
from umbel.wire import body, compression, serializers

VALUE = {"text": "grüß", "none": None, "list": [1, 2.5, True], "deep": {"a": {"b": "c"}}}


@pytest.mark.parametrize(
    ("name", "content_type", "encoding"),
    [
        ("json", "application/json", "utf-8"),
        ("msgpack", "application/x-msgpack", "binary"),
        ("yaml", "application/x-yaml", "utf-8"),
        ("pickle", "application/x-python-serialize", "binary"),
    ],
)
def test_each_reads_what_it_writes_under_kombus_names(name: str, content_type: str, encoding: str) -> None:
    kind, written, data = serializers.encode(VALUE, name)
    assert (kind, written) == (content_type, encoding)
    assert isinstance(data, bytes)
    assert serializers.decode(data, kind, written, serializers.content_types([name])) == VALUE


def test_bytes_are_kombus() -> None:
    assert serializers.encode(([1], {"b": b"x"}), "msgpack")[2] == b"\x92\x91\x01\x81\xa1b\xc4\x01x"
    assert serializers.encode([(1,)], "pickle")[2] == pickle.dumps([(1,)], protocol=4)
    assert serializers.encode((1, {"b": 2, "a": None}), "yaml")[2] == b"- 1\n- a: null\n  b: 2\n"


def test_pickle_heeds_the_environment_as_kombu_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICKLE_PROTOCOL", "2")
    assert serializers.encode([], "pickle")[2] == pickle.dumps([], protocol=2)


class TestTrust:
    def test_pickle_is_read_only_where_it_is_named(self) -> None:
        assert "pickle" not in serializers.names()
        kind, encoding, data = serializers.encode([Bomb()], "pickle")
        with pytest.raises(ContentDisallowed):
            serializers.decode(data, kind, encoding, serializers.content_types(serializers.names()))
        assert Bomb.exploded == 0
        serializers.decode(data, kind, encoding, serializers.content_types(["pickle"]))
        assert Bomb.exploded == 1

    def test_yaml_makes_no_objects(self) -> None:
        evil = b"!!python/object/apply:os.getcwd []"
        with pytest.raises(DecodeError, match="could not determine a constructor"):
            serializers.decode(evil, "application/x-yaml", "utf-8", frozenset({"application/x-yaml"}))

    def test_messagepack_makes_no_objects(self) -> None:
        for data in (b"\xd4\x05x", b"\xc7\x01\x05x"):
            with pytest.raises(DecodeError):
                serializers.decode(data, "application/x-msgpack", "binary", frozenset({"application/x-msgpack"}))


class Bomb:
    exploded = 0

    def __setstate__(self, state: Any) -> None:
        Bomb.exploded += 1

    def __getstate__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "datetime has no place in MessagePack"),
        ({1, 2}, "set has no place in MessagePack"),
        ({(1, 2): 3}, "a key of type tuple has no place in MessagePack"),
        (2**70, "can't serialize ints"),
    ],
)
def test_what_messagepack_cannot_hold_is_refused_by_name(value: Any, named: str) -> None:
    with pytest.raises(EncodeError, match=named):
        body.encode([1, {"k": value}], {}, None, "msgpack")


def test_the_argument_is_named() -> None:
    with pytest.raises(EncodeError, match=r"args\[1\]\['k'\]"):
        body.encode([1, {"k": {1}}], {}, None, "msgpack")
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(EncodeError, match="nested too deeply"):
        body.encode(loop, {}, None, "msgpack")


@pytest.mark.parametrize(
    ("names", "content_type"),
    [
        (("zlib", "gzip"), "application/x-gzip"),
        (("bzip2", "bzip"), "application/x-bz2"),
        (("lzma", "xz"), "application/x-lzma"),
        (("zstd", "zstandard"), "application/zstd"),
        (("brotli",), "application/x-brotli"),
    ],
)
def test_compressions_by_kombus_names(names: tuple[str, ...], content_type: str) -> None:
    for name in names:
        kind, data = compression.compress(b"x" * 1000, name)
        assert (kind, len(data) < 100) == (content_type, True)
        assert compression.decompress(data, kind) == compression.decompress(data, name) == b"x" * 1000


@pytest.mark.parametrize(
    ("modules", "use", "extra"),
    [
        (["yaml"], lambda: serializers.encode([], "yaml"), "yaml"),
        (["brotli", "brotlicffi"], lambda: compression.compress(b"", "brotli"), "brotli"),
        (["compression.zstd", "backports.zstd"], lambda: compression.compress(b"", "zstd"), "zstd"),
    ],
)
def test_a_missing_library_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, modules: list[str], use: Any, extra: str
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImproperlyConfigured, match=rf'pip install "umbel\[{extra}\]"'):
        use()
    if extra != "yaml":
        with pytest.raises(DecodeError, match=rf'pip install "umbel\[{extra}\]"'):
            compression.decompress(b"", extra)


def test_ones_own_by_kombus_signature() -> None:
    serialization.register("shout", str.upper, lambda data: data.decode(), "text/shout", "utf-8")
    compression_door.register(lambda data: data[::-1], lambda data: data[::-1], "application/x-back", aliases=["back"])
    try:
        assert serializers.encode("hey", "shout") == ("text/shout", "utf-8", b"HEY")
        assert compression.compress(b"abc", "back") == ("application/x-back", b"cba")
        assert compression.decompress(b"cba", "application/x-back") == b"abc"
        serialization.register("reader", None, bytes.decode, "text/reader")
        with pytest.raises(ImproperlyConfigured, match="serializer 'reader' only reads"):
            serializers.encode("hey", "reader")
    finally:
        serialization.unregister("shout")
        serialization.unregister("reader")
        compression._by_name.pop("back")
        compression._by_name.pop("application/x-back")


def test_an_unknown_compression_is_refused_with_those_there_are() -> None:
    with pytest.raises(ImproperlyConfigured, match="no compression 'snappy'; known are brotli, bz2, "):
        compression.compress(b"", "snappy")
