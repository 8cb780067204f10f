"""The grammar of one crontab field: text or numbers in, a set of numbers out. As Celery reads it, and Sunday is also 7.

field  = part *("," part)
part   = ("*" / number / number "-" number) ["/" step]     a step needs "*" or a range
number = digits / the name of a month or a weekday, of which the first three letters count
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from umbel.core.errors import ParseException

Cronspec = int | str | Iterable[int]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(?P<slash>/(?P<step>\w*))?")


class Field(NamedTuple):
    """One field: its numbers from ``least`` to ``most``, and names for them from ``least`` on."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()
    again: int | None = None
    """Another number for ``least``."""

    @property
    def takes(self) -> str:
        """What it takes, for an error message."""
        named = f", or {self.names[0]} to {self.names[-1]}" if self.names else ""
        also = f", {self.again} being {self.least} too" if self.again is not None else ""
        return f"{self.name} is {self.least} to {self.most}{also}{named}"


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day_of_week", 0, 6, _WEEKDAYS, again=7),
    Field("day_of_month", 1, 31),
    Field("month_of_year", 1, 12, _MONTHS),
    Field("second", 0, 59),
)


def expand(field: Field, spec: Cronspec) -> frozenset[int]:
    """The numbers that ``spec`` means. Raises ``ParseException``, or ``TypeError`` for what is no spec at all."""
    if isinstance(spec, str):
        numbers = [number for part in spec.split(",") for number in _part(field, spec, part.strip())]
    elif isinstance(spec, bool) or not isinstance(spec, int | Iterable):
        raise TypeError(f"crontab({field.name}={spec!r}): a number, text such as '*/5', or a collection of numbers")
    else:
        given = [spec] if isinstance(spec, int) else list(spec)
        numbers = [_checked(field, spec, number) for number in given]
    if not numbers:
        raise _wrong(field, spec, "nothing is left")
    return frozenset(0 if number == field.again else number for number in numbers)


def _part(field: Field, spec: str, part: str) -> list[int]:
    match = _PART.fullmatch(part)
    if match is None:
        raise _wrong(field, spec, f"{part!r} is not understood" if part else "a part is empty")
    first, last, step = match["first"], match["last"], match["step"]
    every = list(range(field.least, field.most + 1))
    if first == "*":
        if last is not None:
            raise _wrong(field, spec, f"{part!r} is not understood")
        numbers = every
    else:
        start = _number(field, spec, first)
        numbers = [start] if last is None else _range(field, start, _number(field, spec, last))
        if last is None and step is not None:
            raise _wrong(field, spec, f"a step needs '*' or a range: '{first}-{field.most}/{step}'")
    if match["slash"] is None:
        return numbers
    if not step or not step.isdecimal() or int(step) == 0:
        raise _wrong(field, spec, f"the step in {part!r} is a number, 1 or more")
    return numbers[:: int(step)]


def _range(field: Field, start: int, end: int) -> list[int]:
    """From ``start`` to ``end``; around the end of the field where ``end`` is the smaller one."""
    if end >= start:
        return list(range(start, end + 1))
    return [*range(start, field.most + 1), *range(field.least, end + 1)]


def _number(field: Field, spec: str, text: str) -> int:
    if text.isdecimal():
        return _checked(field, spec, int(text))
    named = text[:3].lower()
    if named not in field.names:
        raise _wrong(field, spec, f"{text!r} is not understood")
    return field.names.index(named) + field.least


def _checked(field: Field, spec: Cronspec, number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise _wrong(field, spec, f"{number!r} is no number")
    if not field.least <= number <= field.most and number != field.again:
        raise _wrong(field, spec, f"{number} is out of range")
    return number


def _wrong(field: Field, spec: Cronspec, why: str) -> ParseException:
    return ParseException(f"crontab({field.name}={spec!r}): {why}; {field.takes}")
