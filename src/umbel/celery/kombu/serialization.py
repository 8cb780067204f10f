"""kombu's ``serialization``: bytes of values, and back. A door over ``umbel.wire.serializers``."""

from collections.abc import Iterable
from typing import Any

from umbel.celery import offered
from umbel.wire import serializers
from umbel.wire.serializers import register, unregister


def dumps(data: Any, serializer: str | None = None) -> tuple[str, str, Any]:
    """``(content type, content encoding, content)``; bytes and text, unless told otherwise, as they are."""
    if serializer is None:
        if isinstance(data, bytes):
            return "application/data", "binary", data
        if isinstance(data, str):
            return "text/plain", "utf-8", data
    kind, encoding, content = serializers.encode(data, serializer or "json")
    return kind, encoding, content.decode() if encoding == "utf-8" else content


def loads(
    data: Any,
    content_type: str,
    content_encoding: str,
    accept: Iterable[str] | None = None,
    force: bool = False,
    **options: Any,
) -> Any:
    """The value. ``accept`` are names or content types (all but those whose bytes are programs)."""
    if content_type in ("application/data", "text/plain"):
        return data
    content = data.encode() if isinstance(data, str) else bytes(data)
    names = serializers.names() if accept is None else accept
    taken = serializers.content_types(names) | (frozenset([content_type]) if force else frozenset())
    return serializers.decode(content, content_type, content_encoding or "utf-8", taken)


encode, decode = dumps, loads

__all__ = ["decode", "dumps", "encode", "loads", "register", "unregister"]

__getattr__ = offered.names_not_in(__name__)
