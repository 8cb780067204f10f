"""A message's body: ``[args, kwargs, embed]``, by any serializer. Pure; for the lane: user code hides in encoders."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from umbel.core.errors import EncodeError, InvalidTaskError
from umbel.core.message import Embed, Message
from umbel.wire import serializers

_NOTHING = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_decode = msgspec.json.Decoder(tuple[list[Any], dict[str, Any], Embed]).decode
_MARK = b'"__type__"'
_PARTS = ("args", "kwargs", "embed")


def encode(
    args: Sequence[Any], kwargs: Mapping[str, Any], embed: Embed | None, serializer: str
) -> tuple[str, str, bytes]:
    """``(content type, content encoding, bytes)``.

    Raises ``EncodeError`` whose ``path`` begins with ``args`` or ``kwargs``: ``("args", 1, "callback")``.
    """
    after = _NOTHING if embed is None else msgspec.structs.asdict(embed)
    try:
        return serializers.encode((args, kwargs, after), serializer)
    except EncodeError as exc:
        if not exc.path:
            raise
        first, *rest = exc.path
        raise EncodeError(exc.reason, (_PARTS[first], *rest)) from None


def decode(message: Message, accept: frozenset[str]) -> tuple[list[Any], dict[str, Any], Embed]:
    """``(args, kwargs, embed)``. ``accept`` holds content types.

    Raises ``ContentDisallowed``, ``DecodeError``, or ``InvalidTaskError`` when the value has not the shape of a body.
    """
    if message.content_type == "application/json" and message.content_type in accept and _MARK not in message.body:
        try:
            return _decode(message.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # not the usual shape, or not msgspec's JSON
    return _shape(serializers.decode(message.body, message.content_type, message.content_encoding, accept))


def _shape(value: Any) -> tuple[list[Any], dict[str, Any], Embed]:
    if isinstance(value, dict) and "args" in value:  # protocol 1's body under protocol 2's headers
        parts = value["args"], value.get("kwargs"), value
    elif isinstance(value, list | tuple) and len(value) == 3:
        parts = tuple(value)
    else:
        raise InvalidTaskError("a body is [args, kwargs, embed]")
    args, kwargs, embed = parts
    if not isinstance(args, list | tuple | None):
        raise InvalidTaskError(f"arguments must be a list, not {type(args).__name__}")
    if not isinstance(kwargs, dict | None):
        raise InvalidTaskError(f"keyword arguments must be a mapping, not {type(kwargs).__name__}")
    if not isinstance(embed, dict | None):
        raise InvalidTaskError(f"the third part of a body must be a mapping, not {type(embed).__name__}")
    embed = embed or {}
    after = Embed(embed.get("callbacks"), embed.get("errbacks"), embed.get("chain"), embed.get("chord"))
    return list(args or ()), dict(kwargs or {}), after
