"""The serializers that kombu has beside JSON, byte for byte as it has them: MessagePack, YAML, pickle. Pure."""

import os
import pickle
from typing import Any

import msgspec

from umbel.core.errors import DecodeError, EncodeError
from umbel.wire.optional import library

PICKLE_PROTOCOL = 4
"""What kombu writes. ``PICKLE_PROTOCOL`` in the environment changes it, as there."""
_PLAIN = (str, int, float, bool, bytes, type(None))
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(ext_hook=lambda code, data: _refuse(code)).decode


def packed(value: Any) -> bytes:
    """MessagePack. Raises ``EncodeError`` with the path to what has no place in it: dates, sets, objects."""
    try:
        _check(value, ())
        return _pack(value)
    except RecursionError:
        raise EncodeError("it is nested too deeply, or contains itself") from None


def unpacked(data: bytes) -> Any:
    """The value of MessagePack."""
    return _unpack(data)


def _check(value: Any, path: tuple[Any, ...]) -> None:
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, _PLAIN):
                raise EncodeError(f"a key of type {type(key).__name__} has no place in MessagePack", path)
            _check(item, (*path, key))
    elif not isinstance(value, _PLAIN):
        raise EncodeError(f"{type(value).__name__} has no place in MessagePack", path)


def _refuse(code: int) -> Any:
    raise DecodeError(f"MessagePack's extension {code} means nothing here")


def to_yaml(value: Any) -> str:
    """YAML, of plain values only."""
    text: str = library("yaml", "yaml").safe_dump(value)
    return text


def of_yaml(data: bytes) -> Any:
    """The value of YAML; tags of Python objects are refused."""
    return library("yaml", "yaml").safe_load(data)


def pickled(value: Any) -> bytes:
    """Pickle. Whoever reads it runs what it says: only ``accept_content`` that names it does."""
    return pickle.dumps(value, protocol=int(os.environ.get("PICKLE_PROTOCOL", PICKLE_PROTOCOL)))


def unpickled(data: bytes) -> Any:
    """The value of a pickle. It runs code."""
    return pickle.loads(data)
