"""One entry of a timetable: what to call, when, and what becomes of missed ticks. Pure data, read and checked.

``read`` takes what stands in ``beat_schedule``, with Celery's keys and Umbel's. ``to_plain`` and ``from_plain`` are the
form in which an entry is stored.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, cast, get_args

import msgspec

from umbel.core.errors import ParseException
from umbel.core.schedule.base import Schedule, aware
from umbel.core.schedule.form import from_plain as schedule_from
from umbel.core.schedule.form import make_schedule
from umbel.core.schedule.form import to_plain as schedule_as
from umbel.core.schedule.interval import schedule as interval

CatchUp = Literal["skip", "once", "all"]

KEYS = ("task", "schedule", "args", "kwargs", "options", "relative", "enabled", "timezone")
MORE_KEYS = ("catch_up", "max_age", "jitter", "start", "end", "max_runs")

_NAMESPACE = uuid.UUID("5f0c9a52-8d1c-5b69-9f0e-3a6a7a1f3c11")
_DAY = 86400.0


class LazyArgument:
    """An argument that is computed when the call is sent: ``LazyArgument(function, *args, **kwargs)``."""

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._call = (function, args, kwargs)

    def __call__(self) -> Any:
        """The value, computed now."""
        function, args, kwargs = self._call
        return function(*args, **kwargs)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. ``max_age`` and ``jitter`` are seconds, ``since`` is when it was made (wall seconds).

    ``catch_up``: of ticks that were missed, run none (``skip``), one for all of them (``once``), or each (``all``);
    none that is older than ``max_age``. ``stored``: it was set at run time, and is not in the configuration.
    """

    name: str
    task: str
    schedule: Schedule
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    options: dict[str, Any] = {}
    paused: bool = False
    catch_up: CatchUp = "once"
    max_age: float | None = None
    jitter: float = 0.0
    start: datetime | None = None
    end: datetime | None = None
    max_runs: int | None = None
    since: float | None = None
    stored: bool = False

    def tick_id(self, book: str, due: float) -> str:
        """The id of the call that is due then: the same whoever computes it."""
        return str(uuid.uuid5(_NAMESPACE, f"{book}\0{self.name}\0{round(due * 1e6)}"))

    def delay_of(self, due: float) -> float:
        """How many seconds after ``due`` it is sent: by chance up to ``jitter``, and the same whoever computes it."""
        if not self.jitter:
            return 0.0
        chance = hashlib.blake2b(f"{self.name}\0{round(due * 1e6)}".encode(), digest_size=8).digest()
        return self.jitter * int.from_bytes(chance) / 2**64


def read(name: str, given: Mapping[str, Any], *, deadline: float | None = None) -> Entry:
    """The entry that ``given`` describes; ``deadline`` is the ``max_age`` of schedules by the calendar.

    Raises ``ParseException`` that names the entry and the key.
    """
    if not isinstance(given, Mapping):
        raise ParseException(f"schedule {name!r}: an entry is a dict with a task and a schedule, not {given!r:.100}")
    unknown = [key for key in given if key not in KEYS and key not in MORE_KEYS and key != "name"]
    if unknown:
        raise ParseException(f"schedule {name!r} has no key {unknown[0]!r}; there is {', '.join((*KEYS, *MORE_KEYS))}")
    try:
        return _read(name, given, deadline)
    except ParseException as error:
        raise ParseException(f"schedule {name!r}: {error}") from None


def _read(name: str, given: Mapping[str, Any], deadline: float | None) -> Entry:
    get = given.get
    task = get("task")
    if not isinstance(task, str) or not task:
        raise ParseException(f"'task' is the name of a task, not {task!r}")
    if get("schedule") is None:
        raise ParseException("'schedule' is missing: seconds, a timedelta, crontab(), schedule(), solar() or clocked()")
    when = make_schedule(get("schedule"), relative=bool(get("relative")), timezone=get("timezone"))
    every = isinstance(when, interval)
    policy = get("catch_up") or ("skip" if every else "once")
    if policy not in get_args(CatchUp):
        raise ParseException(f"'catch_up' is one of {', '.join(get_args(CatchUp))}, not {policy!r}")
    age = _seconds(given, "max_age")
    if age is None:
        age = _DAY if policy == "all" else None if every else deadline
    return Entry(
        name=name,
        task=task,
        schedule=when,
        args=_sequence(given, "args"),
        kwargs=_mapping(given, "kwargs"),
        options=_mapping(given, "options"),
        paused=get("enabled", True) is False,
        catch_up=cast(CatchUp, policy),
        max_age=age,
        jitter=_seconds(given, "jitter") or 0.0,
        start=_moment(given, "start"),
        end=_moment(given, "end"),
        max_runs=_count(given, "max_runs"),
    )


def _sequence(given: Mapping[str, Any], key: str) -> tuple[Any, ...]:
    value = given.get(key) or ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ParseException(f"{key!r} is a list or a tuple, not {value!r}")
    return tuple(value)


def _mapping(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = given.get(key) or {}
    if not isinstance(value, Mapping):
        raise ParseException(f"{key!r} is a dict, not {value!r}")
    return dict(value)


def _seconds(given: Mapping[str, Any], key: str) -> float | None:
    value = given.get(key)
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ParseException(f"{key!r} is a number of seconds or a timedelta, not {value!r}")
    return float(value)


def _moment(given: Mapping[str, Any], key: str) -> datetime | None:
    value = given.get(key)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            pass
    if value is not None and not isinstance(value, datetime):
        raise ParseException(f"{key!r} is a datetime, not {value!r}")
    return None if value is None else aware(value)


def _count(given: Mapping[str, Any], key: str) -> int | None:
    value = given.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ParseException(f"{key!r} is a whole number, 1 or more, not {value!r}")
    return value


# Stored ---------------------------------------------------------------------------------------------------------------


def to_plain(entry: Entry) -> dict[str, Any]:
    """An entry as data. Raises ``ParseException`` for a schedule that cannot be stored."""
    plain = {field: getattr(entry, field) for field in entry.__struct_fields__ if field not in ("name", "stored")}
    for key in ("start", "end"):
        plain[key] = None if plain[key] is None else plain[key].isoformat()
    return {**plain, "schedule": schedule_as(entry.schedule)}


_Span = Annotated[float, msgspec.Meta(ge=0)]
_Moment = Annotated[float, msgspec.Meta(ge=0, lt=253_402_214_400)]
"""Wall seconds, up to the year 9999."""


class _Stored(msgspec.Struct):
    """An entry as it is stored, by another version or by a person, perhaps: one that breaks must not break all."""

    task: Annotated[str, msgspec.Meta(min_length=1)]
    schedule: dict[str, Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    options: dict[str, Any] = {}
    paused: bool = False
    catch_up: CatchUp = "once"
    max_age: _Span | None = None
    jitter: _Span = 0.0
    start: datetime | None = None
    end: datetime | None = None
    max_runs: Annotated[int, msgspec.Meta(ge=1)] | None = None
    since: _Moment | None = None


def since_in(name: str, plain: Mapping[str, Any]) -> float | None:
    """When a stored entry was made or resumed. Raises ``ParseException``."""
    try:
        return msgspec.convert(plain.get("since"), _Moment | None)
    except msgspec.ValidationError as error:
        raise ParseException(f"schedule {name!r} cannot be read from the store: its 'since': {error}") from None


def from_plain(name: str, plain: Mapping[str, Any]) -> Entry:
    """The entry again. Raises ``ParseException``."""
    try:
        found = msgspec.convert(plain, _Stored)
        fields = msgspec.structs.asdict(found)
        for key in ("start", "end"):
            moment: datetime | None = fields[key]
            fields[key] = None if moment is None else moment.astimezone(UTC)
        return Entry(**{**fields, "schedule": schedule_from(found.schedule), "name": name, "stored": True})
    except ParseException:
        raise
    except (msgspec.ValidationError, TypeError, ValueError, ArithmeticError) as error:
        raise ParseException(f"schedule {name!r} cannot be read from the store: {error}") from None
