"""``solar``: when the sun stands somewhere, at a place on Earth. Computed by ephem (the extra ``solar``); no I/O."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, NamedTuple

from umbel.core.errors import ImproperlyConfigured, ParseException
from umbel.core.schedule.base import App, Schedule, aware


class Event(NamedTuple):
    """How ephem is asked: a method, the height of the sun above the horizon in degrees, its centre or its rim."""

    method: str
    horizon: str
    center: bool = True


EVENTS = {
    "dawn_astronomical": Event("next_rising", "-18"),
    "dawn_nautical": Event("next_rising", "-12"),
    "dawn_civil": Event("next_rising", "-6"),
    "sunrise": Event("next_rising", "-0:34", center=False),
    "solar_noon": Event("next_transit", "0", center=False),
    "sunset": Event("next_setting", "-0:34", center=False),
    "dusk_civil": Event("next_setting", "-6"),
    "dusk_nautical": Event("next_setting", "-12"),
    "dusk_astronomical": Event("next_setting", "-18"),
}

_MINUTE = timedelta(minutes=1)
_FAR = 366
"""Days to look ahead where an event does not happen every day: a polar night lasts half a year."""


class solar(Schedule):
    """Due at a solar ``event`` at a place: ``lat`` and ``lon`` in degrees, north and east positive.

    Raises ``ParseException`` (a ``ValueError``), or ``ImproperlyConfigured`` where ephem is not installed.
    """

    def __init__(
        self,
        event: str,
        lat: float,
        lon: float,
        nowfun: Callable[[], datetime] | None = None,
        app: App | None = None,
    ) -> None:
        super().__init__(nowfun=nowfun, app=app)
        if event not in EVENTS:
            raise ParseException(f"solar({event!r}): the event is one of {', '.join(EVENTS)}")
        if not -90 <= lat <= 90:
            raise ParseException(f"solar(lat={lat!r}): a latitude is -90 to 90 degrees")
        if not -180 <= lon <= 180:
            raise ParseException(f"solar(lon={lon!r}): a longitude is -180 to 180 degrees")
        self.event, self.lat, self.lon = event, lat, lon
        self._ephem = _ephem()

    def next_after(self, moment: datetime, last: datetime | None = None) -> datetime | None:
        """The next event, to the second, in UTC."""
        moment = aware(moment)
        start = moment
        while True:
            found = self._next(start)
            if found is None or found > moment:
                return found
            start += _MINUTE  # the same event again: what is returned is cut to the second

    def _next(self, start: datetime) -> datetime | None:
        ephem, event = self._ephem, EVENTS[self.event]
        place = ephem.Observer()
        place.lat, place.lon, place.elev, place.pressure, place.horizon = (
            str(self.lat),
            str(self.lon),
            0,
            0,
            event.horizon,
        )
        sun, options = ephem.Sun(), {"use_center": True} if event.center else {}
        date = ephem.Date(start.astimezone(UTC).replace(tzinfo=None))
        for _ in range(_FAR):
            try:
                found = getattr(place, event.method)(sun, start=date, **options)
            except ephem.CircumpolarError:
                date = place.next_antitransit(sun, start=date)
            else:
                return found.datetime().replace(tzinfo=UTC, microsecond=0)  # type: ignore[no-any-return]
        return None

    @property
    def human_readable(self) -> str:
        """The schedule in words."""
        return f"at {self.event.replace('_', ' ')} at latitude {self.lat:g}, longitude {self.lon:g}"

    def __repr__(self) -> str:
        return f"<solar: {self.event} at latitude {self.lat}, longitude: {self.lon}>"

    def _key(self) -> tuple[Any, ...]:
        return self.event, self.lat, self.lon

    def __reduce__(self) -> Any:
        return type(self), (self.event, self.lat, self.lon, self.nowfun)


def _ephem() -> Any:
    try:
        return import_module("ephem")
    except ImportError:
        raise ImproperlyConfigured("solar schedules need ephem: pip install 'umbel[solar]'") from None
