"""A message as one element of kombu's Redis lists, and back: head and body in one JSON object. Pure.

    {"body": base64, "content-encoding", "content-type", "headers": {…}, "properties": {…, "body_encoding": "base64"}}

What kombu adds to an element when it hands it back (``redelivered``) is read by ``redelivered``; the rest is
``umbel.wire.envelope``'s.
"""

import base64
import binascii
import os
from typing import Any

import msgspec

from umbel.core.errors import DecodeError, Undecodable
from umbel.core.message import DeliveryInfo, Headers, Message, Properties
from umbel.wire import envelope, json


class _Properties(msgspec.Struct, omit_defaults=True):
    correlation_id: str | None
    reply_to: str | None
    delivery_mode: int
    delivery_info: DeliveryInfo
    priority: int | None
    body_encoding: str
    delivery_tag: str
    expiration: str | None = None


class _Element(msgspec.Struct):
    body: bytes  # msgspec's form of bytes in JSON is base64
    content_encoding: str = msgspec.field(name="content-encoding")
    content_type: str = msgspec.field(name="content-type")
    headers: Headers
    properties: _Properties


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Element).decode
_urandom = os.urandom


def encode(message: Message, queue: str | None = None) -> bytes:
    """The element. A message without a delivery tag gets a new one.

    ``queue`` is where it goes: kombu finds its way back there by ``delivery_info``, unless an exchange sent it.
    """
    properties = message.properties
    route = properties.delivery_info
    if queue is not None and route.routing_key != queue and not route.exchange:
        route = DeliveryInfo("", queue)
    written = _Properties(
        properties.correlation_id,
        properties.reply_to,
        properties.delivery_mode,
        route,
        properties.priority,
        "base64",
        properties.delivery_tag or _urandom(16).hex(),
        properties.expiration,
    )
    custom = message.custom if message.custom is not None or not message.head else envelope.custom_headers(message)
    if not custom and message.headers.task:
        try:
            return _encode(
                _Element(message.body, message.content_encoding, message.content_type, message.headers, written)
            )
        except UnicodeEncodeError:
            pass  # a lone surrogate, most likely in argsrepr
    element = {
        "body": base64.b64encode(message.body).decode(),
        "content-encoding": message.content_encoding,
        "content-type": message.content_type,
        "headers": envelope.headers_of(message, custom),
        "properties": msgspec.to_builtins(written),
    }
    return json.dumps(element)


def decode(raw: bytes) -> Message:
    """The message of an element; its ``head`` is the whole element. Raises ``Undecodable``.

    One without a task name is of protocol 1: ``envelope.upgrade`` it.
    """
    try:
        found = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_leniently(raw)
    had = found.properties
    if had.body_encoding != "base64":
        return _decode_leniently(raw)
    properties = Properties(
        had.correlation_id,
        had.reply_to,
        had.delivery_mode,
        had.delivery_info,
        had.priority,
        had.delivery_tag,
        had.expiration,
    )
    return Message(found.headers, properties, found.body, found.content_type, found.content_encoding, None, raw)


def redelivered(raw: bytes) -> bool:
    """Whether kombu marked this element as handed back to its queue after it had been delivered."""
    if b'"redelivered"' not in raw:
        return False
    try:
        properties = _mapping(_mapping(json.loads(raw)).get("properties"))
    except DecodeError:
        return False
    return bool(_mapping(properties.get("delivery_info")).get("redelivered"))


# What is unusual ------------------------------------------------------------------------------------------------------


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _decode_leniently(raw: bytes) -> Message:
    """Read the head as ``envelope`` does; the body is text unless the properties say that it is base64."""
    message = envelope.decode(raw, b"")
    try:
        element = json.loads(raw)  # a mapping: the head was read from it
    except DecodeError as exc:  # what is broken is no part of the head
        raise Undecodable(f"it is {exc}") from exc
    message.body = _body(element.get("body"), _mapping(element.get("properties")).get("body_encoding"))
    return message


def _body(body: Any, encoding: Any) -> bytes:
    if body is None:
        raise Undecodable("it has no body")
    if not isinstance(body, str):  # JSON inside the element, as some producers of other languages write it
        return json.dumps(body)
    if encoding == "base64":
        try:
            return base64.b64decode(body)
        except (binascii.Error, ValueError) as exc:
            raise Undecodable(f"its body is not base64: {exc}") from exc
    return body.encode(errors="surrogatepass")
