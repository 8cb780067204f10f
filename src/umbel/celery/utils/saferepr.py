"""Celery's ``utils.saferepr``: ``repr`` that is bounded in length and depth, and stands what raises. Pure."""

from collections.abc import Iterator
from typing import Any

from umbel.celery import offered

MARK = "..."


def saferepr(o: Any, maxlen: int | None = None, maxlevels: int = 3, seen: set[int] | None = None) -> str:
    """``repr`` of it, at most about ``maxlen`` characters long and ``maxlevels`` deep."""
    parts, left = [], maxlen
    for token in _tokens(o, maxlevels, 0, set() if seen is None else seen, maxlen):
        if left is not None:
            if len(token) > left:
                parts.append(_cut(token, left))
                break
            left -= len(token)
        parts.append(token)
    return "".join(parts)


def _cut(token: str, left: int) -> str:
    kept = token[: max(0, left - len(MARK))]
    quote = token[-1] if token[-1:] in "'\"" and kept else ""
    return f"{kept}{MARK}{quote}"


def _tokens(o: Any, deepest: int, level: int, seen: set[int], longest: int | None) -> Iterator[str]:
    opening, closing = _BRACKETS.get(type(o), ("", ""))
    if not opening:
        yield _plain(o, longest)
        return
    if not o:
        yield repr(o)
        return
    if id(o) in seen or level > deepest:
        yield f"{opening}{MARK}{closing}" if id(o) in seen else MARK
        return
    seen = seen | {id(o)}
    yield opening
    if isinstance(o, dict):
        for number, (key, value) in enumerate(o.items()):
            yield (", " if number else "") + _plain(key, longest) + ": "
            yield from _tokens(value, deepest, level + 1, seen, longest)
    else:
        for number, item in enumerate(o):
            if number:
                yield ", "
            yield from _tokens(item, deepest, level + 1, seen, longest)
        if isinstance(o, tuple) and len(o) == 1:
            yield ","
    yield closing


_BRACKETS: dict[type, tuple[str, str]] = {
    dict: ("{", "}"),
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def _plain(o: Any, longest: int | None) -> str:
    if isinstance(o, str | bytes) and longest is not None:
        o = o[:longest]
    try:
        return repr(o)
    except BaseException as error:  # noqa: BLE001  user code
        return f"<Unrepresentable {type(o).__name__}: {type(error).__name__}>"


__getattr__ = offered.names_not_in(__name__)
