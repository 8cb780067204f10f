"""How a setting's value is read: text to bool, timedelta to seconds, one name to a list of names. Pure.

Each parser returns the value, or raises ``ValueError`` or ``TypeError`` with what was expected.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta, tzinfo
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from umbel.core.options import parse_rate

T = TypeVar("T")

_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def maybe(parse: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """None, or what ``parse`` takes."""
    return lambda value: None if value is None else parse(value)


def anything(value: Any) -> Any:
    """Any value: whoever uses it checks it."""
    return value


def flag(value: object) -> bool:
    """True or False, also as text or number."""
    if isinstance(value, bool):
        return value
    try:
        return _FLAGS[str(value).lower()]
    except KeyError:
        raise ValueError("expected True or False") from None


def text(value: object) -> str:
    """Text."""
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value


def number(value: object) -> float:
    """A number, also as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("expected a number")
    return float(value)


def seconds(value: object) -> float:
    """Seconds, not negative; also as timedelta."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    parsed = number(value)
    if not parsed >= 0:
        raise ValueError("expected a number of seconds, not negative")
    return parsed


def more_than_nothing(value: object) -> float:
    """Seconds, more than 0."""
    parsed = seconds(value)
    if parsed == 0:
        raise ValueError("expected more than 0 seconds")
    return parsed


def count(value: object) -> int:
    """A whole number, not negative."""
    parsed = number(value)
    if parsed < 0 or parsed != int(parsed):
        raise ValueError("expected a whole number, not negative")
    return int(parsed)


def positive(value: object) -> int:
    """A whole number, 1 or more."""
    parsed = count(value)
    if parsed == 0:
        raise ValueError("expected a whole number, 1 or more")
    return parsed


def priority(value: object) -> int:
    """0 to 9."""
    parsed = count(value)
    if parsed > 9:
        raise ValueError("expected a priority from 0 to 9")
    return parsed


def names(value: object) -> tuple[str, ...]:
    """A list of names; one name is a list of one."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise TypeError("expected a list of names")


def table(value: object) -> dict[str, Any]:
    """A dict; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError("expected a dict")
    return dict(value)


def choice(*allowed: Any) -> Callable[[object], Any]:
    """One of these."""

    def one_of(value: object) -> Any:
        for known in allowed:
            if value == known:
                return known
        raise ValueError(f"expected {' or '.join(repr(known) for known in allowed)}")

    return one_of


def delivery_mode(value: object) -> int:
    """1 or 2, also by AMQP's names."""
    named = {"transient": 1, "persistent": 2}
    return int(choice(1, 2)(named.get(value, value) if isinstance(value, str) else value))


def level(value: object) -> str:
    """A level's name."""
    known = logging.getLevelNamesMapping()
    name = logging.getLevelName(value) if isinstance(value, int) else str(value).upper()
    if name not in known:
        raise ValueError(f"expected one of {', '.join(sorted(known, key=known.__getitem__))}")
    return str(name)


def rate(value: Any) -> Any:
    """A rate as ``parse_rate`` reads it; kept as it was given."""
    parse_rate(value)
    return value


def zone(value: object) -> str | tzinfo:
    """The name of a time zone, or a ``tzinfo``."""
    if isinstance(value, tzinfo):
        return value
    name = text(value)
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("no such time zone") from None
    return name
