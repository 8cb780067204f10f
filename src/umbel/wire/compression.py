"""Compressed bytes, by the names that kombu gives the methods of the standard library. Pure; reads only."""

import bz2
import lzma
import zlib
from collections.abc import Callable

from umbel.core.errors import DecodeError

_METHODS: dict[str, Callable[[bytes], bytes]] = {
    "application/x-gzip": zlib.decompress,  # zlib's own format, whatever the name says
    "application/x-bz2": bz2.decompress,
    "application/x-lzma": lzma.decompress,
}


def decompress(data: bytes, content_type: str) -> bytes:
    """The bytes as they were. Raises ``DecodeError``, also for a method that is not known here."""
    method = _METHODS.get(content_type)
    if method is None:
        raise DecodeError(f"it is compressed by {content_type}, which is not known here (known: {', '.join(_METHODS)})")
    try:
        return method(data)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as exc:
        raise DecodeError(f"it is no {content_type}: {exc}") from exc
