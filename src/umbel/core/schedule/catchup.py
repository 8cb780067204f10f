"""Which ticks of an entry are due now, which were missed, and when to look again. Pure: the whole policy on one page.

A tick is due from its time on. It is *missed* once it is more than ``grace`` seconds late: a beat that takes over from
one that died, or a broker that was away for a moment, is no downtime. Of missed ticks the entry's ``catch_up`` says
which are run; none is run that is older than ``max_age``.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from umbel.core.schedule.entry import Entry
from umbel.core.timetable import Mark

MOST = 64
"""Ticks of one entry in one look: the rest is for the next."""


class DueTick(NamedTuple):
    """A tick to publish, and what the entry's mark becomes with it. Wall seconds."""

    due: float
    mark: float


class Look(NamedTuple):
    """What is to be published now, and when to look again (wall seconds; None: never)."""

    ticks: tuple[DueTick, ...]
    again: float | None


NEVER = Look((), None)


def look(entry: Entry, mark: Mark, now: float, *, grace: float) -> Look:
    """The ticks of ``entry`` that are due at ``now`` and later than its mark."""
    if entry.paused or (entry.max_runs is not None and mark.runs >= entry.max_runs):
        return NEVER
    moment = at(now)
    first = _first(entry, mark)
    if first is None:
        return NEVER
    if first.timestamp() > now:
        return Look((), _sent(entry, first))
    oldest = None if entry.max_age is None else now - entry.max_age - entry.jitter
    newest = now - grace - entry.jitter if oldest is None else max(now - grace - entry.jitter, oldest)
    missed = first.timestamp() < newest
    if missed and entry.catch_up != "all":
        recent = _walk(entry, mark, _from(entry, mark, newest), moment)
        if recent.ticks or entry.catch_up == "skip":
            return recent
        return _once(entry, mark, first, moment) or recent
    if oldest is not None and first.timestamp() < oldest:
        first = _from(entry, mark, oldest)
    return _walk(entry, mark, first, moment)


def following(entry: Entry, mark: Mark) -> Iterator[datetime]:
    """All ticks after the mark, one after the other, as long as the entry lasts."""
    due = _first(entry, mark)
    left = None if entry.max_runs is None else entry.max_runs - mark.runs
    while due is not None and (left is None or left > 0):
        yield due
        due = _within(entry, entry.schedule.next_after(due, due))
        left = None if left is None else left - 1


def at(seconds: float) -> datetime:
    """Wall seconds as a datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def _first(entry: Entry, mark: Mark) -> datetime | None:
    """The first tick after the mark."""
    last = at(mark.last)
    if entry.start is not None and last < entry.start:
        return _within(entry, entry.schedule.first_from(entry.start))
    return _within(entry, entry.schedule.next_after(last, last))


def _from(entry: Entry, mark: Mark, seconds: float) -> datetime | None:
    """The first tick after the mark that is not older than ``seconds``."""
    last = at(mark.last)
    if entry.start is not None and last < entry.start:
        last = entry.start
        if seconds <= last.timestamp():
            return _first(entry, mark)
    return _within(entry, entry.schedule.next_after(max(at(seconds) - timedelta.resolution, last), last))


def _within(entry: Entry, due: datetime | None) -> datetime | None:
    return None if due is None or (entry.end is not None and due > entry.end) else due


def _walk(entry: Entry, mark: Mark, due: datetime | None, moment: datetime) -> Look:
    """``due`` and what follows, up to now."""
    ticks: list[DueTick] = []
    runs = mark.runs
    while due is not None and len(ticks) < MOST and _sent(entry, due) <= moment.timestamp():
        if entry.max_runs is not None and runs >= entry.max_runs:
            return Look(tuple(ticks), None)
        seconds = due.timestamp()
        ticks.append(DueTick(seconds, seconds))
        runs += 1
        due = _within(entry, entry.schedule.next_after(due, due))
    return Look(tuple(ticks), None if due is None else _sent(entry, due))


def _once(entry: Entry, mark: Mark, first: datetime, moment: datetime) -> Look | None:
    """One tick for all that were missed: the first of them that is not too old."""
    now = moment.timestamp()
    due: datetime | None = first
    if entry.max_age is not None and first.timestamp() < now - entry.max_age:
        due = _from(entry, mark, now - entry.max_age)
    if due is None or due > moment:
        return None
    passed = entry.schedule.passed(due, moment)
    after = _within(entry, entry.schedule.next_after(moment, passed))
    return Look((DueTick(due.timestamp(), passed.timestamp()),), None if after is None else _sent(entry, after))


def _sent(entry: Entry, due: datetime) -> float:
    seconds = due.timestamp()
    return seconds + entry.delay_of(seconds)
