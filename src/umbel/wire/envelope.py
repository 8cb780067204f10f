"""A message's bytes and back: the head (headers, properties) as JSON, the body beside it. Pure.

    head = {"content-encoding", "content-type", "headers": {…, the caller's own …}, "properties": {…}}

``decode`` reads what any Celery since 4 writes. The body stays bytes (``umbel.wire.body``), and the caller's own
headers stay in the head until somebody asks for them.
"""

from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET

from umbel.core.errors import DecodeError, Undecodable
from umbel.core.message import DeliveryInfo, Headers, Message, Properties
from umbel.wire import compression, json, serializers


class _Head(msgspec.Struct, kw_only=True):
    content_encoding: str = msgspec.field(name="content-encoding", default="utf-8")
    content_type: str = msgspec.field(name="content-type", default="application/json")
    headers: Headers
    properties: Properties = msgspec.field(default_factory=Properties)


_KNOWN = frozenset(Headers.__struct_fields__)
_IDS = {"id", "root_id", "parent_id", "group", "correlation_id", "reply_to"}
_DISPENSABLE = {"lang", "shadow", "argsrepr", "kwargsrepr", "origin", "ignore_result", "stamped_headers", "stamps"}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Head).decode


def encode(message: Message) -> tuple[bytes, bytes]:
    """``(head, body)``. Own headers of a message that arrived are kept; they may override Umbel's, as in Celery."""
    custom = message.custom if message.custom is not None or not message.head else custom_headers(message)
    if not custom and message.headers.task:
        try:
            return _encode(
                _Head(
                    content_encoding=message.content_encoding,
                    content_type=message.content_type,
                    headers=message.headers,
                    properties=message.properties,
                )
            ), message.body
        except UnicodeEncodeError:
            pass  # a lone surrogate, most likely in argsrepr
    head = {
        "content-encoding": message.content_encoding,
        "content-type": message.content_type,
        "headers": headers_of(message, custom),
        "properties": msgspec.to_builtins(message.properties),
    }
    return json.dumps(head), message.body


def headers_of(message: Message, custom: dict[str, Any] | None) -> dict[str, Any]:
    """All headers. A message without a task's name is no call: it has its own headers only, and its compression."""
    known = msgspec.to_builtins(message.headers)
    if not message.headers.task:
        known = {name: value for name, value in known.items() if name == "compression"}
    return {**known, **(custom or {})}


def decode(head: bytes, body: bytes) -> Message:
    """The message of these bytes. Raises ``Undecodable``. One without a task name is of protocol 1: ``upgrade`` it."""
    try:
        parts = _decode(head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parts = _decode_leniently(head)
    return Message(parts.headers, parts.properties, body, parts.content_type, parts.content_encoding, None, head)


def custom_headers(message: Message) -> dict[str, Any]:
    """The caller's own headers: everything at the top level of the headers that the protocol does not define."""
    if message.custom is not None:
        return message.custom
    if not message.head:
        return {}
    headers = json.loads(message.head.decode(errors="replace")).get("headers") or {}
    return {name: value for name, value in headers.items() if name not in _KNOWN}


# What is unusual ------------------------------------------------------------------------------------------------------

_S = TypeVar("_S", bound=msgspec.Struct)


def _decode_leniently(head: bytes) -> _Head:
    """Celery writes null for "not given", lets ids be numbers, and lets own headers take any name: read that too."""
    try:
        found = json.loads(head)
    except DecodeError as exc:
        raise Undecodable(f"its head is {exc}") from exc
    headers = found.get("headers", {}) if isinstance(found, dict) else None
    properties = (found.get("properties") or {}) if isinstance(found, dict) else None
    if not (isinstance(headers, dict) and isinstance(properties, dict)):
        raise Undecodable("its head is not a mapping with headers and properties")
    if headers.get("task") and headers.get("id") in (None, ""):
        raise Undecodable("it has no task id")
    route = properties.get("delivery_info") or {}
    if not isinstance(route, dict):
        raise Undecodable(f"its delivery_info is {route!r}, which is no mapping")
    return _Head(
        content_encoding=str(found.get("content-encoding") or "utf-8"),
        content_type=str(found.get("content-type") or "application/json"),
        headers=_fill(Headers, {"task": "", "id": "", **{name: x for name, x in headers.items() if x is not None}}),
        properties=_fill(Properties, {**properties, "delivery_info": _fill(DeliveryInfo, route)}),
    )


def _fill(kind: type[_S], values: dict[str, Any]) -> _S:
    given = {}
    for field in msgspec.structs.fields(kind):
        value = values.get(field.name)
        if field.name in _IDS and isinstance(value, int | UUID):
            value = str(value)
        if value is None:
            continue
        try:
            given[field.name] = msgspec.convert(value, field.type)
            if isinstance(value, str) and field.name not in _DISPENSABLE:
                value.encode()  # a lone surrogate could be written nowhere
        except (msgspec.ValidationError, UnicodeEncodeError) as exc:
            if field.name not in _DISPENSABLE:
                raise Undecodable(f"its {field.name} is {value!r}: {exc}") from exc
    return kind(**given)


def upgrade(message: Message, accept: frozenset[str]) -> Message:
    """The same call in the form of protocol 2, if it came as protocol 1 (a body with everything, headers with nothing).

    Raises ``ContentDisallowed`` before it decodes the body, ``Undecodable`` if it is no task.
    """
    if message.headers.task:
        return message
    try:
        data = message.body
        if message.headers.compression and message.content_type in accept:
            data = compression.decompress(data, message.headers.compression)
        call = serializers.decode(data, message.content_type, message.content_encoding, accept)
    except DecodeError as exc:
        raise Undecodable(f"it has no task header, and its body is {exc}") from exc
    if not (isinstance(call, dict) and call.get("task") and call.get("id")):
        raise Undecodable("it has no task header, and its body is no call of protocol 1")
    headers = _fill(Headers, {**call, "group": call.get("taskset") or call.get("group")})
    if not call.get("utc", True):
        headers.eta, headers.expires = _from_local("eta", headers.eta), _from_local("expires", headers.expires)
    after = {name: call.get(name) for name in ("callbacks", "errbacks", "chord")}
    body = (call.get("args") or [], call.get("kwargs") or {}, {**after, "chain": None})
    headers.compression = UNSET
    content_type, encoding, data = serializers.encode(body, message.content_type)
    return msgspec.structs.replace(
        message, headers=headers, body=data, content_type=content_type, content_encoding=encoding
    )


def _from_local(name: str, text: str | None) -> str | None:
    try:
        return None if text is None else datetime.fromisoformat(text).astimezone().isoformat()
    except ValueError as exc:
        raise Undecodable(f"its {name} is {text!r}: {exc}") from exc
