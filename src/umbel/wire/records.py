"""A result record's bytes and back: what Celery stores as ``celery-task-meta``, JSON unless said otherwise. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from umbel.core.errors import DecodeError, EncodeError, SecurityError
from umbel.core.record import Record
from umbel.core.states import SUCCESS
from umbel.wire import compression, json, serializers, signing

_COMPRESSED = b"\0celery-compressed\0"
_MARK = b'"__type__"'
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode
_FREE = ("result", "args", "kwargs", "children")


def encode(record: Record) -> bytes:
    """The record as JSON. Raises ``EncodeError`` whose ``path`` begins with the field: ``("result", 0, "when")``."""
    if (
        type(record.result) is not msgspec.Raw
        or record.children
        or record.args is not UNSET
        or record.kwargs is not UNSET
    ):
        record = _plain(record)
    try:
        return _encode(record)
    except ValueError:  # lone surrogates, integers of very many digits
        said = {name: value for name, value in msgspec.structs.asdict(record).items() if value is not UNSET}
        return json.dumps({name: json.loads(bytes(v)) if type(v) is msgspec.Raw else v for name, v in said.items()})


def _plain(record: Record) -> Record:
    """The record with those fields encoded that msgspec would not write as Celery does."""
    replaced: dict[str, Any] = {}
    for name in _FREE:
        value = getattr(record, name)
        if not (json.plain(value) or value is UNSET or type(value) is msgspec.Raw):
            replaced[name] = msgspec.Raw(_dumps(name, value))
    return msgspec.structs.replace(record, **replaced) if replaced else record


def _dumps(name: str, value: Any) -> bytes:
    try:
        return json.dumps(value)
    except EncodeError as exc:
        raise EncodeError(exc.reason, (name, *exc.path)) from None


def decode(data: bytes) -> Record:
    """The record of these bytes, compressed or not; keys that it does not know are skipped. Raises ``DecodeError``."""
    data = _opened(data)
    if _MARK not in data:
        try:
            return _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # the standard library accepts more
    return _of_mapping(json.loads(data))


def _opened(data: bytes) -> bytes:
    """Without Celery's compression: a mark and the method's name stand before the bytes."""
    if not data.startswith(_COMPRESSED):
        return data
    method, _, data = data[len(_COMPRESSED) :].partition(b"\0")
    return compression.decompress(data, method.decode(errors="replace"))


def _of_mapping(found: Any) -> Record:
    if not isinstance(found, dict) or not isinstance(found.get("status"), str):
        raise DecodeError("not a result record: it has no status")
    known = {name: found[name] for name in Record.__struct_fields__ if name in found}
    return Record(**known)


class Codec:
    """How records become bytes: by a serializer (name or content type), and a method of compression.

    Reads what it writes and, unless it signs, JSON; bytes of other content types than ``accept`` are not looked into.
    Equal to another one of the same make. Raises ``ImproperlyConfigured`` for what is not there.
    """

    def __init__(
        self, serializer: str = "json", method: str | None = None, accept: frozenset[str] = frozenset()
    ) -> None:
        self.make = (serializer, method, accept)
        self._serializer = serializers.find(serializer)
        self._method = compression.find(method) if method else None
        self._accept = accept
        self.encode: Callable[[Record], bytes] = encode
        self.decode: Callable[[bytes], Record] = decode
        if self._serializer.name != "json":
            self.encode, self.decode = self._encoded, self._decoded
        if self._method is not None:
            self._written, self.encode = self.encode, self._compressed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Codec) and self.make == other.make

    def __hash__(self) -> int:
        return hash(self.make)

    def encode_group(self, shape: Sequence[Any]) -> bytes:
        """The result tuple of a group, as Celery saves it: by the serializer, not compressed."""
        said = {"result": shape}
        return json.dumps(said) if self._serializer.name == "json" else serializers.encode(said, self.make[0])[2]

    def decode_group(self, data: bytes) -> Any:
        """The result tuple of these bytes. Raises ``DecodeError``."""
        data, found = _opened(data), self._serializer
        said = json.loads(data) if found.name == "json" or self._is_plain(data) else self._read(data)
        if not isinstance(said, dict) or "result" not in said:
            raise DecodeError("not a saved group: it has no result")
        return said["result"]

    def _encoded(self, record: Record) -> bytes:
        said = {name: value for name, value in msgspec.structs.asdict(record).items() if value is not UNSET}
        plain = {name: json.loads(bytes(v)) if type(v) is msgspec.Raw else v for name, v in said.items()}
        return serializers.encode(plain, self._serializer.name)[2]

    def _compressed(self, record: Record) -> bytes:
        """SUCCESS under the method's short name, which Celery reads as well: so scripts know it (``success.lua``)."""
        method = self._method
        assert method is not None
        name = method.short if record.status == SUCCESS and method.short else method.content_type
        return b"%b%b\0%b" % (_COMPRESSED, name.encode(), compression.compress(self._written(record), name)[1])

    def _decoded(self, data: bytes) -> Record:
        data = _opened(data)
        return decode(data) if self._is_plain(data) else _of_mapping(self._read(data))

    def _is_plain(self, data: bytes) -> bool:
        """Whether it is JSON, and may be: where results are signed, what is not signed is no result."""
        return data.startswith(b"{") and self._serializer.name != signing.NAME

    def _read(self, data: bytes) -> Any:
        found = self._serializer
        try:
            return serializers.decode(data, found.content_type, found.content_encoding, self._accept)
        except SecurityError as exc:
            raise DecodeError(str(exc)) from exc


JSON = Codec()
