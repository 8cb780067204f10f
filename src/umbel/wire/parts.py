"""A join's parts and shape as bytes and back: ``[1, task id, state, result]``, as Celery keeps them. Pure.

A value that JSON does not carry is written by another serializer, in base64, and its content type stands behind it.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from umbel.core.errors import DecodeError, EncodeError
from umbel.core.joining import Arrived, Joined, Part
from umbel.wire import json, serializers

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Any, str, str, Any]).decode
_MARK = b'"__type__"'
_ONE = 1  # what Celery writes in front of every part
_KEEPS_TYPES = "pickle"  # also of what JSON writes as something else, such as tuples


class Serialized(NamedTuple):
    """A value that is no JSON."""

    content_type: str
    data: bytes


def carried(value: Any, serializer: str) -> msgspec.Raw | Serialized:
    """What a task returned as a part carries it, where results are written so. Raises ``EncodeError``."""
    if serializer != _KEEPS_TYPES:
        try:
            return msgspec.Raw(json.dumps(value))
        except EncodeError:
            if serializer == "json":
                raise
    content_type, _, data = serializers.encode(value, serializer)
    return Serialized(content_type, data)


def encode(part: Part) -> bytes:
    """A part. Raises ``EncodeError`` with the path to what cannot be encoded."""
    result = part.result
    if type(result) is Serialized:
        text = base64.b64encode(result.data).decode()
        return _encode((_ONE, part.task_id, part.state, text, result.content_type))
    if type(result) is not msgspec.Raw:
        result = msgspec.Raw(json.dumps(result))
    return _encode((_ONE, part.task_id, part.state, result))


def decode(data: bytes, accept: frozenset[str] = frozenset()) -> Arrived:
    """The part of these bytes. ``accept``: content types beside JSON. Raises ``DecodeError``, ``ContentDisallowed``."""
    if _MARK not in data:
        try:
            _, task_id, state, result = _decode(data)
            return Arrived(task_id, state, result)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # the standard library accepts more
    found = json.loads(data)
    if not isinstance(found, list) or len(found) not in (4, 5) or not isinstance(found[1], str):
        raise DecodeError("not a part of a chord")
    value = found[3]
    if len(found) == 5:
        value = serializers.decode(base64.b64decode(str(value)), str(found[4]), "binary", accept)
    return Arrived(found[1], str(found[2]), value)


def encode_body(body: Mapping[str, Any] | None) -> bytes:
    """A body's signature, as a store keeps it; empty for none, and for one that JSON does not carry."""
    try:
        return b"" if body is None else json.dumps(body)
    except EncodeError:
        return b""  # the members carry it, in what their messages are written in


def decode_body(data: bytes | None) -> Mapping[str, Any] | None:
    """The signature of these bytes. Raises ``DecodeError``."""
    found = json.loads(data) if data else None
    return found if isinstance(found, dict) else None


def joined(answer: Sequence[Any]) -> Joined:
    """A join as ``umbel/drivers/redis/joining.lua`` answers it."""
    group, parts, shape, body = answer
    return Joined(group.decode(), tuple(parts), shape or None, body or None)


def encode_shape(shape: Sequence[Any]) -> bytes:
    """The result tuple of a header, as Celery saves a group."""
    return json.dumps({"result": shape})


def arrange(joined: Joined, accept: frozenset[str] = frozenset()) -> list[Arrived | list[Any]]:
    """The parts as the body gets them: a list, or nested like the header's shape where it has one.

    Raises as ``decode``. Of a shape that names a task without a part, that place is left out; parts that it does not
    name were added later, and come behind.
    """
    parts = [decode(data, accept) for data in joined.parts]
    if joined.shape is None:
        return list(parts)
    found = json.loads(joined.shape)
    shape = found.get("result") if isinstance(found, dict) else None
    if not (isinstance(shape, list) and len(shape) == 2 and isinstance(shape[1], list)):
        return list(parts)
    by_id = {part.task_id: part for part in parts}
    return [*_nested(shape[1], by_id), *by_id.values()]


def _nested(children: Sequence[Any], parts: dict[str, Arrived]) -> Iterator[Arrived | list[Any]]:
    """Takes out of ``parts`` what it gives."""
    for (task_id, _), members in children:
        if members is not None:
            yield list(_nested(members, parts))
        elif task_id in parts:
            yield parts.pop(task_id)
