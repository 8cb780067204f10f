"""From the hands on a wall clock to a moment, and back: what becomes of an hour that a zone skips or repeats. Pure.

A time that the clocks skip (a gap) means the moment at which they skip. A time that they show twice (an overlap) means
the first of the two.
"""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from umbel.core.errors import ParseException

_SECOND = timedelta(seconds=1)


def zone_of(name: str | tzinfo | None) -> tzinfo | None:
    """The zone of a name such as ``Europe/Berlin``; what is one already is returned. Raises ``ParseException``."""
    if name is None or isinstance(name, tzinfo):
        return name
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ParseException(
            f"there is no time zone {name!r}: write a name such as 'Europe/Berlin', or 'UTC'"
        ) from None


def name_of(zone: tzinfo | None) -> str | None:
    """The name under which ``zone_of`` finds a zone. Raises ``ParseException`` for a zone without one."""
    if zone is None:
        return None
    if zone is UTC:
        return "UTC"
    name = getattr(zone, "key", None)
    if not isinstance(name, str):
        raise ParseException(f"{zone!r} has no name to be stored by: use a zone such as ZoneInfo('Europe/Berlin')")
    return name


def on_the_wall(moment: datetime, zone: tzinfo) -> datetime:
    """What the clocks of ``zone`` show, as a naive datetime."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def meant(wall: datetime, zone: tzinfo) -> datetime:
    """The moment, in UTC, that the clocks of ``zone`` showing ``wall`` (naive, ``fold`` 0) means."""
    if isinstance(zone, timezone):  # a fixed offset
        return wall.replace(tzinfo=zone).astimezone(UTC)
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if on_the_wall(moment, zone) == wall:
        return moment
    return _end_of_gap(wall, zone, moment)


def _end_of_gap(wall: datetime, zone: tzinfo, after: datetime) -> datetime:
    """The first moment at which the clocks show more than ``wall``, which they never show. ``after`` is later."""
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while after - before > _SECOND:
        middle = before + ((after - before) // 2 // _SECOND or 1) * _SECOND
        if on_the_wall(middle, zone) > wall:
            after = middle
        else:
            before = middle
    return after
