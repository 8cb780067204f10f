"""Where an application's timetable is: its entries in the broker or in a place of their own, its ticks in the broker.

Reads settings and opens; decides nothing about entries.
"""

from typing import TYPE_CHECKING, NamedTuple

from umbel.broker.base import Broker, Ticks, Timetable
from umbel.broker.lookup import open_broker
from umbel.core.errors import ImproperlyConfigured

if TYPE_CHECKING:
    from umbel.app.application import Umbel


class Timetables(NamedTuple):
    """The places of one timetable. ``book`` is its name in both; ``place`` says where the entries are."""

    book: str
    entries: Timetable
    ticks: Timetable
    place: str
    own: Broker | None

    async def close(self) -> None:
        """Free what was opened for it alone."""
        await self.entries.close()
        await self.ticks.close()
        if self.own is not None:
            self.own.close()


def open_timetables(app: "Umbel") -> Timetables:
    """The timetables of ``app``, for the running event loop. Connects nothing yet. Raises ``ImproperlyConfigured``."""
    url = store_url(app)
    broker = app.broker
    if not isinstance(broker, Ticks):
        raise ImproperlyConfigured(f"the broker {broker.features.name} cannot record ticks, which beat needs")
    book = app.main or app.import_name
    if url is None:
        table = broker.timetable()
        return Timetables(book, table, table, broker.url, None)
    own = open_broker(url, clock=app.clock)
    if not isinstance(own, Ticks):
        raise ImproperlyConfigured(f"no schedules can be kept at {url}")
    return Timetables(book, own.timetable(), broker.timetable(), url, own)


def store_url(app: "Umbel") -> str | None:
    """The URL of ``beat_schedule_filename``, which may be a path; None for the broker itself, where nobody set it."""
    if "beat_schedule_filename" not in app.conf.changed():
        return None
    given = app.conf.beat_schedule_filename
    return given if "://" in given else f"sqlite:///{given}"
