"""The kinds of values that settings have: text to bool, timedelta to seconds, one name to a list of names. Pure."""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta, tzinfo
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from umbel.core.options import parse_rate
from umbel.core.queues import read_queues

T = TypeVar("T")

_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class Kind(Generic[T]):
    """How one kind of value is read. ``allowed`` tells people what may be given, ``unit`` what it counts.

    Calling it returns the value as its type, or raises ``TypeError`` or ``ValueError``.
    """

    def __init__(self, read: Callable[[Any], T], allowed: str, unit: str = "") -> None:
        self.read = read
        self.allowed = allowed
        self.unit = unit

    def __call__(self, value: Any) -> T:
        """``value`` as the type."""
        return self.read(value)

    def of(self, unit: str) -> "Kind[T]":
        """The same, counting something else."""
        return Kind(self.read, self.allowed, unit)


def maybe(kind: Kind[T]) -> Kind[T | None]:
    """None, or what ``kind`` takes."""
    return Kind(lambda value: None if value is None else kind(value), f"{kind.allowed}; or None", kind.unit)


def choice(*allowed: Any) -> Kind[Any]:
    """One of these."""

    def one_of(value: object) -> Any:
        for known in allowed:
            if value == known:
                return known
        raise ValueError

    return Kind(one_of, " or ".join(repr(known) for known in allowed))


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    try:
        return _FLAGS[str(value).lower()]
    except KeyError:
        raise ValueError from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _secret(value: object) -> str | bytes:
    if not isinstance(value, str | bytes):
        raise TypeError
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    return float(value)


def _seconds(value: object) -> float:
    parsed = _number(value.total_seconds() if isinstance(value, timedelta) else value)
    if not parsed >= 0:
        raise ValueError
    return parsed


def _more_than_nothing(value: object) -> float:
    parsed = _seconds(value)
    if parsed == 0:
        raise ValueError
    return parsed


def _count(value: object) -> int:
    parsed = _number(value)
    if parsed < 0 or not parsed.is_integer():
        raise ValueError
    return int(parsed)


def _positive(value: object) -> int:
    parsed = _count(value)
    if parsed == 0:
        raise ValueError
    return parsed


def _processes(value: object) -> int | None:
    return None if value is None or value == "auto" else _positive(value)


def _priority(value: object) -> int:
    parsed = _count(value)
    if parsed > 9:
        raise ValueError
    return parsed


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise TypeError


def _table(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError
    return dict(value)


def _tls(value: object) -> bool | dict[str, Any]:
    if value is None or isinstance(value, bool):
        return bool(value)
    return _table(value)


def _delivery_mode(value: object) -> int:
    named = {"transient": 1, "persistent": 2}
    return int(choice(1, 2)(named.get(value, value) if isinstance(value, str) else value))


def _level(value: object) -> str:
    name = logging.getLevelName(value) if isinstance(value, int) else str(value).upper()
    if name not in logging.getLevelNamesMapping():  # programs add their own
        raise ValueError
    return str(name)


def _umask(value: object) -> int:
    bits = int(value, 8) if isinstance(value, str) else value
    if isinstance(bits, bool) or not isinstance(bits, int) or not 0 <= bits <= 0o777:
        raise ValueError
    return bits


def _user_or_group(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise TypeError
    return str(value)


def _rate(value: Any) -> Any:
    parse_rate(value)
    return value


def _queues(value: Any) -> Any:
    if value is not None and not isinstance(value, str | Mapping | list | tuple | set | frozenset):
        raise TypeError
    read_queues(value)
    return value


def _annotations(value: Any) -> Any:
    for one in value if isinstance(value, list | tuple) else [value]:
        if not (one is None or isinstance(one, str | Mapping) or hasattr(one, "annotate")):
            raise TypeError
    return value


def _zone(value: object) -> str | tzinfo:
    if isinstance(value, tzinfo):
        return value
    name = _text(value)
    try:
        ZoneInfo(name)
    except ZoneInfoNotFoundError:
        raise ValueError from None
    return name


_LEVELS = logging.getLevelNamesMapping()

anything: Kind[Any] = Kind(lambda value: value, "anything")
flag = Kind(_flag, "True or False")
text = Kind(_text, "text")
secret = Kind(_secret, "text or bytes")
number = Kind(_number, "a number")
seconds = Kind(_seconds, "a number of seconds, not negative", "seconds")
more_than_nothing = Kind(_more_than_nothing, "more than 0 seconds", "seconds")
count = Kind(_count, "a whole number, not negative")
positive = Kind(_positive, "a whole number, 1 or more")
processes = Kind(_processes, "a whole number, 1 or more; 'auto' or None")
priority = Kind(_priority, "a priority from 0 to 9")
names = Kind(_names, "a list of names")
table = Kind(_table, "a dict")
tls = Kind(_tls, "True, False, or a dict of ssl_* options")
delivery_mode = Kind(_delivery_mode, "1 (transient) or 2 (persistent)")
level = Kind(_level, f"one of {', '.join(sorted(_LEVELS, key=_LEVELS.__getitem__))}")
umask = Kind(_umask, "octal digits from 0 to 777, such as '022'")
user_or_group = Kind(_user_or_group, "a name or a number")
rate = Kind(_rate, "a rate: '10/s', '5/m', '1/h', or a number per second; or None")
queues = Kind(_queues, "a list of names or Queues, or a dict of name to options; or None")
annotations = Kind(_annotations, "a dict of task name to attributes, an object that annotate()s, or a list; or None")
zone = Kind(_zone, "the name of a time zone there is, such as 'Europe/Vienna', or a tzinfo")
