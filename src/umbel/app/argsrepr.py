"""Arguments as short text for people (``argsrepr``, ``kwargsrepr``). Never raises, and never builds long text.

The text of a list of a million elements costs as little as that of a hundred.
"""

from collections.abc import Iterable, Mapping
from typing import Any

LIMIT = 1024
_ALL = -1
_ATOMS = frozenset({int, float, bool, type(None)})
_DOTS = "..."


def short(value: Any, levels: int | None = 3) -> str:
    """``repr(value)``, of at most 1024 characters, and ``levels`` deep (None: however deep it is)."""
    if type(value) is tuple:
        for item in value:
            if type(item) not in _ATOMS and (type(item) is not str or len(item) > 100):
                break
        else:
            if len(value) < 10:
                return repr(value)
    elif not value and type(value) is dict:
        return "{}"
    text = _text(value, LIMIT, _ALL if levels is None else levels)
    return text if len(text) <= LIMIT else text[: LIMIT - 3] + _DOTS


def _text(value: Any, room: int, depth: int) -> str:
    kind = type(value)
    if kind in (str, bytes) and len(value) > room:
        return repr(value[:room]) + _DOTS
    if kind is list:
        return _inner("[", "]", value, room, depth)
    if kind is tuple:
        return _inner("(", ",)" if len(value) == 1 else ")", value, room, depth)
    if kind in (set, frozenset) and value:
        return _inner("{", "}", value, room, depth)
    if kind is dict:
        return _inner("{", "}", value, room, depth)
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001  user code
        return f"<{kind.__qualname__}: its repr raised {type(error).__name__}>"


def _inner(opening: str, closing: str, values: Iterable[Any], room: int, depth: int) -> str:
    if depth == 0:
        return f"{opening}{_DOTS}{closing}"
    parts: list[str] = []
    for item in values:
        if room <= 0:
            parts.append(_DOTS)
            break
        text = _text(item, room, depth - 1)
        if isinstance(values, Mapping):
            text = f"{text}: {_text(values[item], room - len(text), depth - 1)}"
        parts.append(text)
        room -= len(text) + 2
    return f"{opening}{', '.join(parts)}{closing}"
