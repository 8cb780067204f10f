"""Crontabs enumerated minute by minute, by rules written down a second time and otherwise: what ``crontab`` is held to.

A clock on the wall is watched. Whenever it shows a minute that it has not shown before, all minutes that it has passed
since the latest one count as shown: one tick if any of them matches. While it repeats what it has shown there is none.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
BOUNDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NAMES = {
    "month": {name: number for number, name in enumerate(_MONTHS, 1)},
    "weekday": {name: number for number, name in enumerate(_WEEKDAYS)},
}


def numbers(field: str, text: str) -> set[int]:
    """What a field of a line of cron means: counts up from the first to the last, around the end, in steps."""
    least, most = BOUNDS[field]
    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = (f"{least}-{most}" if span == "*" else span).partition("-")
        number, end = _number(field, first), _number(field, last if dash else first)
        count = 0
        while True:
            if count % int(step or 1) == 0:
                found.add(number)
            if number == end:
                break
            number = least if number == most else number + 1
            count += 1
    return found


def _number(field: str, text: str) -> int:
    return NAMES.get(field, {}).get(text[:3].lower(), -1) if text[0].isalpha() else int(text)


class Wall:
    """What one line of cron matches, for each minute that a clock on the wall may show in a span of days."""

    def __init__(self, line: str, first: date, days: int) -> None:
        minute, hour, day, month, weekday = line.split()
        minutes, hours = numbers("minute", minute), numbers("hour", hour)
        days_, months, weekdays = numbers("day", day), numbers("month", month), numbers("weekday", weekday)
        self.first = datetime(first.year, first.month, first.day)
        of_day = bytes(number // 60 in hours and number % 60 in minutes for number in range(1440))
        found = bytearray()
        for number in range(days):
            at = first + timedelta(days=number)
            fits = at.day in days_ and at.month in months and at.isoweekday() % 7 in weekdays
            found += of_day if fits else bytes(1440)
        self.matches = bytes(found)

    def ticks(self, offsets: list[tuple[datetime, timedelta]], end: datetime) -> Iterator[datetime]:
        """The moments of all ticks, by what the zone's offset from UTC is from when on."""
        shown = self._index(offsets[0][0] + offsets[0][1])  # the latest minute that was shown
        for number, (start, offset) in enumerate(offsets):
            stop = offsets[number + 1][0] if number + 1 < len(offsets) else end
            here, there = self._index(start + offset), self._index(stop + offset)
            if here > shown + 1 and self.matches.find(1, shown + 1, here + 1) >= 0:
                yield start  # a gap: all that was skipped, and what it ends with
                shown = here
            at = max(shown + 1, here)
            while (at := self.matches.find(1, at, there)) >= 0:
                yield start + (at - here) * MINUTE
                at += 1
            shown = max(shown, there - 1)

    def _index(self, wall: datetime) -> int:
        return (wall.replace(tzinfo=None) - self.first) // MINUTE


def offsets_of(zone: str, start: datetime, end: datetime) -> list[tuple[datetime, timedelta]]:
    """From when on a zone has which offset, found by looking at every minute."""
    info = ZoneInfo(zone)
    found: list[tuple[datetime, timedelta]] = []
    at, hour = start, timedelta(hours=1)
    while at < end:
        offset = at.astimezone(info).utcoffset() or timedelta()
        if not found or found[-1][1] != offset:
            found.append((_change(info, at - hour, at, offset) if found else at, offset))
        at += hour
    return found


def _change(info: ZoneInfo, before: datetime, after: datetime, offset: timedelta) -> datetime:
    """The first minute of an hour that has this offset."""
    at = before + MINUTE
    while at < after and at.astimezone(info).utcoffset() != offset:
        at += MINUTE
    return at


def utc(year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """A moment."""
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
