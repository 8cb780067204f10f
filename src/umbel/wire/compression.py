"""Compressed bytes, by the names that kombu gives the methods. Pure; libraries of extras are imported at first use."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable

import msgspec

from umbel.core.errors import DecodeError, EncodeError, ImproperlyConfigured
from umbel.wire.optional import library

Bytes = Callable[[bytes], bytes]


class Method(msgspec.Struct, frozen=True):
    """One way to make bytes fewer. ``short`` is the first of its other names, if it has one."""

    content_type: str
    compress: Bytes
    decompress: Bytes
    short: str | None = None


_by_name: dict[str, Method] = {}
_BROTLI = ("brotli", "brotlicffi")
_ZSTD = ("compression.zstd", "backports.zstd")


def register(encoder: Bytes, decoder: Bytes, content_type: str, aliases: Iterable[str] = ()) -> None:
    """Add a method, or replace what has one of these names. As kombu's function of this name."""
    names = list(aliases)
    method = Method(content_type, encoder, decoder, names[0] if names else None)
    _by_name.update(dict.fromkeys((content_type, *names), method))


def find(name: str) -> Method:
    """The method of this name or content type. Raises ``ImproperlyConfigured``."""
    method = _by_name.get(name)
    if method is None:
        raise ImproperlyConfigured(f"no compression {name!r}; known are {', '.join(names())}")
    return method


def names() -> list[str]:
    """All names that are no content types, sorted."""
    return sorted(name for name in _by_name if "/" not in name)


def compress(data: bytes, name: str) -> tuple[str, bytes]:
    """``(content type, fewer bytes)``. Raises ``EncodeError``; ``ImproperlyConfigured`` for what is not there."""
    method = find(name)
    try:
        return method.content_type, method.compress(data)
    except ImproperlyConfigured:
        raise
    except Exception as exc:
        raise EncodeError(f"{name}: {exc}") from exc


def decompress(data: bytes, name: str) -> bytes:
    """The bytes as they were. Raises ``DecodeError``, also for a method that is not known here."""
    method = _by_name.get(name)
    if method is None:
        raise DecodeError(f"it is compressed by {name}, which is not known here (known: {', '.join(names())})")
    try:
        return method.decompress(data)
    except ImproperlyConfigured as exc:
        raise DecodeError(str(exc)) from exc
    except Exception as exc:
        raise DecodeError(f"it is no {name}: {exc}") from exc


register(zlib.compress, zlib.decompress, "application/x-gzip", ["zlib", "gzip"])  # zlib's own format, for both names
register(bz2.compress, bz2.decompress, "application/x-bz2", ["bzip2", "bzip", "bz2"])
register(lzma.compress, lzma.decompress, "application/x-lzma", ["lzma", "xz"])
register(
    lambda data: library("brotli", *_BROTLI).compress(data),
    lambda data: library("brotli", *_BROTLI).decompress(data),
    "application/x-brotli",
    ["brotli"],
)
register(
    lambda data: library("zstd", *_ZSTD).compress(data),
    lambda data: library("zstd", *_ZSTD).decompress(data),
    "application/zstd",
    ["zstd", "zstandard"],
)
