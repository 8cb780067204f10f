"""The registry of serializers: names and content types on one side, functions on the other. Pure; knows no message.

What a reader accepts is a set of content types; bytes of another type are never decoded.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from umbel.core.errors import (
    ContentDisallowed,
    DecodeError,
    EncodeError,
    ImproperlyConfigured,
    SecurityError,
    SerializationError,
)
from umbel.wire import json, stock


class Serializer(msgspec.Struct, frozen=True):
    """One way to make bytes of a value, and a value of bytes."""

    name: str
    encode: Callable[[Any], bytes | str] | None
    decode: Callable[[bytes], Any] | None
    content_type: str
    content_encoding: str = "utf-8"


_SIGNED = ("auth", "application/data")
_PROGRAMS = frozenset({"application/x-python-serialize"})
_BYTES_AS_THEY_ARE = {"utf-8", "utf8", "us-ascii", "ascii", "binary"}

_by_name: dict[str, Serializer] = {}
_by_content_type: dict[str, Serializer] = {}


def register(
    name: str,
    encoder: Callable[[Any], bytes | str] | None,
    decoder: Callable[[bytes], Any] | None,
    content_type: str,
    content_encoding: str = "utf-8",
) -> None:
    """Add a serializer, or replace the one of this name; as kombu's function of this name.

    Whether it is used to read is ``accept_content``'s affair. Without an encoder it only reads, without a decoder it
    only writes.
    """
    unregister(name)
    serializer = Serializer(name, encoder, decoder, content_type, content_encoding)
    _by_name[name] = _by_content_type[content_type] = serializer


def unregister(name: str) -> None:
    """Take a serializer out again, if it is there."""
    serializer = _by_name.pop(name, None)
    if serializer is not None:
        _by_content_type.pop(serializer.content_type, None)


def encode(value: Any, serializer: str) -> tuple[str, str, bytes]:
    """Serialize: ``(content type, content encoding, bytes)``. ``serializer`` is a name or a content type.

    Raises ``EncodeError`` when the value cannot be serialized, ``ImproperlyConfigured`` for an unknown name.
    """
    found = find(serializer)
    if found.encode is None:
        raise ImproperlyConfigured(f"serializer {found.name!r} only reads")
    try:
        data = found.encode(value)
        return found.content_type, found.content_encoding, data.encode() if isinstance(data, str) else data
    except (SerializationError, SecurityError, ImproperlyConfigured):
        raise
    except Exception as exc:
        raise EncodeError(f"{found.name}: {exc}") from exc


def decode(body: bytes, content_type: str, content_encoding: str, accept: frozenset[str]) -> Any:
    """Deserialize. ``accept`` holds content types (``content_types``).

    Raises ``ContentDisallowed`` before it looks at the bytes, ``DecodeError`` when they are not what they should be,
    and ``SecurityError`` when they are not signed by somebody who is known.
    """
    if content_type not in accept:
        raise ContentDisallowed(
            f"content of type {content_type} is not accepted here (accepted: {', '.join(sorted(accept)) or 'none'}); "
            "see accept_content"
        )
    found = _by_content_type.get(content_type)
    if found is None or found.decode is None:
        raise DecodeError(f"no serializer reads {content_type}; known are {_known()}")
    if content_encoding.lower() not in _BYTES_AS_THEY_ARE:
        body = _recode(body, content_encoding)
    try:
        return found.decode(body)
    except (SerializationError, SecurityError):
        raise
    except Exception as exc:
        raise DecodeError(f"{found.name}: {exc}") from exc


def _recode(body: bytes, encoding: str) -> bytes:
    try:
        return body.decode(encoding).encode()
    except (LookupError, UnicodeError) as exc:
        raise DecodeError(f"not text in {encoding}: {exc}") from exc


def is_stock_json() -> bool:
    """Whether ``json`` is still the built-in one, so that a caller may take a shorter way to the same bytes."""
    return _by_content_type.get("application/json") is _STOCK


def content_types(names: Iterable[str]) -> frozenset[str]:
    """The content types of an ``accept_content`` setting, which holds names, content types, or both."""
    return frozenset(name if "/" in name else find(name).content_type for name in names)


def names() -> list[str]:
    """All serializers there are, but those whose bytes are a program: they are used where they are asked for."""
    return sorted(name for name, found in _by_name.items() if found.content_type not in _PROGRAMS)


def find(name: str) -> Serializer:
    """The serializer of this name or content type. Raises ``ImproperlyConfigured``."""
    found = _by_name.get(name) or _by_content_type.get(name)
    if found is None and name in _SIGNED:
        raise ImproperlyConfigured(f"the serializer {name!r} is there after app.setup_security()")
    if found is None:
        raise ImproperlyConfigured(f"no serializer {name!r}; known are {_known()}")
    return found


def _known() -> str:
    return ", ".join(sorted(_by_name))


register("json", json.dumps, json.loads, "application/json")
register("msgpack", stock.packed, stock.unpacked, "application/x-msgpack", "binary")
register("pickle", stock.pickled, stock.unpickled, "application/x-python-serialize", "binary")
register("yaml", stock.to_yaml, stock.of_yaml, "application/x-yaml")
_STOCK = _by_name["json"]
