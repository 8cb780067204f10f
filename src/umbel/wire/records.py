"""A result record's bytes and back: the JSON that Celery stores as ``celery-task-meta``. Pure."""

from typing import Any

import msgspec
from msgspec import UNSET

from umbel.core.errors import DecodeError, EncodeError
from umbel.core.record import Record
from umbel.wire import compression, json

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
    if data.startswith(_COMPRESSED):
        method, _, data = data[len(_COMPRESSED) :].partition(b"\0")
        data = compression.decompress(data, method.decode(errors="replace"))
    if _MARK not in data:
        try:
            return _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # the standard library accepts more
    found = json.loads(data)
    if not isinstance(found, dict) or not isinstance(found.get("status"), str):
        raise DecodeError("not a result record: it has no status")
    known = {name: found[name] for name in Record.__struct_fields__ if name in found}
    return Record(**known)
