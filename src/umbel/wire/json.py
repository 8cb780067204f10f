"""JSON as Celery reads and writes it: plain JSON, and wrapped forms for types that JSON has not. Pure.

A ``datetime`` becomes ``{"__type__": "datetime", "__value__": "2026-11-20T15:36:22"}``; so do ``date``, ``time``,
``Decimal``, ``UUID`` and ``bytes``. Objects with ``__json__()`` are written as what that returns, tuples as lists.
What is plain goes through msgspec; what only the standard library's dialect can carry (NaN, Infinity, lone surrogates)
goes through the standard library, both ways.
"""

import base64
import json as stdlib
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

import msgspec

from umbel.core.errors import DecodeError, EncodeError

_MARK = '"__type__"'
_MARK_BYTES = _MARK.encode()
_WRAPPED_KEYS = {"__type__", "__value__"}

_PLAIN = frozenset({str, int, bool, type(None)})
_TOO_DEEP = "it is nested too deeply, or contains itself"
_STR = frozenset({str})
_FLOAT = frozenset({float})
_LISTS = (list, tuple)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def dumps(value: Any) -> bytes:
    """Serialize. Raises ``EncodeError`` with the type that cannot be, and the path to it."""
    try:
        if not plain(value):
            value = _wrap(value)
            if not plain(value):  # NaN or Infinity
                return _dumps_odd(value)
        return _encode(value)
    except ValueError:  # lone surrogates, integers of very many digits
        return _dumps_odd(value)
    except _Unencodable as exc:
        raise EncodeError(exc.reason, reversed(exc.steps)) from None
    except RecursionError:
        raise EncodeError(_TOO_DEEP) from None


def _dumps_odd(value: Any) -> bytes:
    try:
        return stdlib.dumps(value).encode()
    except RecursionError:
        raise EncodeError(_TOO_DEEP) from None
    except ValueError as exc:  # an integer of more digits than Python writes
        raise EncodeError(str(exc)) from exc


def loads(data: bytes | str) -> Any:
    """Deserialize. Raises ``DecodeError``, also for a wrapped type that is not known."""
    marked = _MARK in data if isinstance(data, str) else _MARK_BYTES in data
    if not marked:
        try:
            return _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # the standard library accepts more: NaN, Infinity, lone surrogates
    try:
        return stdlib.loads(data, object_hook=_unwrap if marked else None)
    except DecodeError:
        raise
    except (ValueError, RecursionError) as exc:
        raise DecodeError(f"not JSON: {exc}") from exc


def plain(value: Any) -> bool:
    """Whether msgspec writes ``value`` exactly as the standard library would. Looks at containers at C speed."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is dict:
        if not _STR.issuperset(map(type, value)):
            return False
        items = value.values()
    elif kind in _LISTS:
        items = value
    else:
        return kind is float and isfinite(value)
    if _PLAIN.issuperset(map(type, items)):
        return True
    if _FLOAT.issuperset(map(type, items)):
        return all(map(isfinite, items))
    try:
        return all(map(plain, items))
    except RecursionError:
        return False


# Wrapping -------------------------------------------------------------------------------------------------------------


class _Unencodable(Exception):
    # Collects the path on its way up, and never leaves this module.

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.steps: list[Any] = []


def _wrap(value: Any) -> Any:
    """The same tree in exact built-in types, subclasses as the standard library writes them."""
    match value:
        case None | bool():
            return value
        case str():
            return str.__str__(value)
        case int():
            return int.__index__(value)
        case float():
            return float.__float__(value)
        case dict():
            return _wrap_dict(value)
        case list() | tuple():
            return _wrap_list(value)
    if (reduce := getattr(value, "__json__", None)) is not None:
        return _wrap(reduce())
    for known, (marker, encode) in _REGISTERED.items():
        if isinstance(value, known):
            written = _wrap(encode(value))
            return written if marker is None else _as(marker, written)
    match value:
        case datetime():  # before date, which it is too
            return _as("datetime", value.isoformat())
        case date():
            return _as("date", value.isoformat())
        case time():
            return _as("time", value.isoformat())
        case Decimal():
            return _as("decimal", str(value))
        case UUID():
            return _as("uuid", {"hex": value.hex})
        case bytes():
            return _wrap_bytes(value)
    kind = type(value)
    raise _Unencodable(f"{kind.__module__}.{kind.__qualname__} cannot be written as JSON{_advice(value)}")


def _advice(value: Any) -> str:
    match value:
        case set() | frozenset():
            return "; pass a list"
        case timedelta():
            return "; pass its seconds"
        case Enum():
            return "; pass its value"
        case bytearray() | memoryview():
            return "; pass bytes"
    return "; pass plain data, or an id to load it by"


def _as(kind: str, value: Any) -> dict[str, Any]:
    return {"__type__": kind, "__value__": value}


def _wrap_bytes(value: bytes) -> dict[str, Any]:
    try:
        return _as("bytes", value.decode())
    except UnicodeDecodeError:
        return _as("base64", base64.b64encode(value).decode())


def _wrap_list(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    wrapped: list[Any] = []
    try:
        for item in value:
            wrapped.append(_wrap(item))
    except _Unencodable as exc:
        exc.steps.append(len(wrapped))
        raise
    return wrapped


def _wrap_dict(value: dict[Any, Any]) -> dict[str, Any]:
    wrapped = {}
    key = None
    try:
        for key, item in value.items():
            wrapped[key if type(key) is str else _key(key)] = _wrap(item)
    except _Unencodable as exc:
        exc.steps.append(key)
        raise
    return wrapped


def _key(key: Any) -> str:
    match key:
        case str():
            return str.__str__(key)
        case None | bool() | int() | float():
            return stdlib.dumps(key)
    raise _Unencodable(f"a key of type {type(key).__name__} cannot be written as JSON; use text")


def register_type(
    t: type[Any],
    marker: str | None,
    encoder: Callable[[Any], Any],
    decoder: Callable[[Any], Any] = lambda value: value,
) -> None:
    """Have instances of ``t`` written as ``encoder`` says, under ``marker``, and read back by ``decoder``.

    As kombu's function of this name. Without a marker they are only written. Whoever reads them must have registered
    the marker, too.
    """
    _REGISTERED[t] = (marker, encoder)
    if marker is not None:
        _UNWRAP[marker] = decoder


def _unwrap(found: dict[str, Any]) -> Any:
    if found.keys() != _WRAPPED_KEYS:
        return found
    kind = found["__type__"]
    unwrap = _UNWRAP.get(kind) if isinstance(kind, str) else None
    if unwrap is None:
        raise DecodeError(f"unknown wrapped type {kind!r}; known are {', '.join(_UNWRAP)}")
    try:
        return unwrap(found["__value__"])
    except (TypeError, ValueError, ArithmeticError, AttributeError) as exc:
        raise DecodeError(f"{found['__value__']!r} is no {kind}: {exc}") from exc


_REGISTERED: dict[type[Any], tuple[str | None, Callable[[Any], Any]]] = {}
_UNWRAP: dict[str, Callable[[Any], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": lambda text: datetime.fromisoformat(text).date(),
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": lambda fields: UUID(**fields),
    "bytes": lambda text: text.encode(),
    "base64": base64.b64decode,
}
