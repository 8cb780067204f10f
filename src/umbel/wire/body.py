"""A message's body: ``[args, kwargs, embed]``, by any serializer. Pure; for the lane: user code hides in encoders."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from umbel.core.errors import EncodeError, InvalidTaskError
from umbel.core.message import Embed, Message
from umbel.wire import compression, json, serializers

_NOTHING = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_PARTS = ("args", "kwargs", "embed")
_MARK = b'"__type__"'
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[list[Any], dict[str, Any], Embed]).decode


def encode(
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    embed: Embed | None,
    serializer: str,
    *,
    task: str = "",
    parameters: Sequence[str] = (),
) -> tuple[str, str, bytes]:
    """``(content type, content encoding, bytes)``.

    Raises ``EncodeError`` that names the argument: as ``args[1]['callback']``, or by the ``task`` and the names of its
    positional ``parameters`` where they are given.
    """
    if serializer == "json" and json.plain(args) and json.plain(kwargs) and serializers.is_stock_json():
        after: Any = _NOTHING if embed is None else embed
        try:
            if embed is None or json.plain(msgspec.structs.asdict(embed)):
                return "application/json", "utf-8", _encode((args, kwargs, after))
        except (ValueError, RecursionError):
            pass  # the serializer itself knows what to do
    try:
        after = _NOTHING if embed is None else msgspec.structs.asdict(embed)
        return serializers.encode((args, kwargs, after), serializer)
    except EncodeError as exc:
        raise _named(exc, task, parameters) from exc.__cause__


def _named(exc: EncodeError, task: str, parameters: Sequence[str]) -> EncodeError:
    if not exc.path:
        return EncodeError(f"an argument of {task}: {exc.reason}") if task else exc
    part, *rest = exc.path
    path = (_PARTS[part], *rest)
    if not (task and rest and part < 2):
        return EncodeError(exc.reason, path)
    at, *deeper = rest
    if part == 1:
        name = f"argument {at!r} of {task}"
    else:
        parameter = f" ({parameters[at]!r})" if at < len(parameters) else ""
        name = f"argument {at + 1}{parameter} of {task}"
    if deeper:
        name += f", at {path[0]}[{at!r}]"
    return EncodeError(exc.reason, (name, *deeper))


def decode(message: Message, accept: frozenset[str]) -> tuple[list[Any], dict[str, Any], Embed]:
    """``(args, kwargs, embed)``. ``accept`` holds content types.

    Raises ``ContentDisallowed``, ``DecodeError``, or ``InvalidTaskError`` when the value has not the shape of a body.
    """
    kind, body = message.content_type, message.body
    if message.headers.compression and kind in accept:
        body = compression.decompress(body, message.headers.compression)
    if kind == "application/json" and kind in accept and _MARK not in body and serializers.is_stock_json():
        try:
            return _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # not the usual shape, or not msgspec's JSON
    return _shape(serializers.decode(body, kind, message.content_encoding, accept))


def _shape(value: Any) -> tuple[list[Any], dict[str, Any], Embed]:
    if isinstance(value, dict) and "args" in value:  # protocol 1's body under protocol 2's headers
        args, kwargs, embed = value["args"], value.get("kwargs"), value
    elif isinstance(value, list | tuple) and len(value) == 3:
        args, kwargs, embed = value
    else:
        raise InvalidTaskError("a body is [args, kwargs, embed]")
    if not isinstance(args, list | tuple | None):
        raise InvalidTaskError(f"arguments are a list, not {type(args).__name__}")
    if not isinstance(kwargs, dict | None):
        raise InvalidTaskError(f"keyword arguments are a mapping, not {type(kwargs).__name__}")
    if not isinstance(embed, dict | None):
        raise InvalidTaskError(f"the third part of a body is a mapping, not {type(embed).__name__}")
    embed = embed or {}
    after = Embed(embed.get("callbacks"), embed.get("errbacks"), embed.get("chain"), embed.get("chord"))
    return list(args or ()), dict(kwargs or {}), after
