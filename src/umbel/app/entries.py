"""The entries that an application's own code and configuration name. Reads and checks; stores and sends nothing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from umbel.core.errors import ImproperlyConfigured, ParseException
from umbel.core.schedule.entry import MORE_KEYS, Entry, read

if TYPE_CHECKING:
    from umbel.app.application import Umbel


class _Added(dict[str, Any]):
    """An entry that code added, as ``app.conf.beat_schedule`` shows it to schedulers in Celery's shape."""


class Entries:
    """What ``beat_schedule``, ``add_periodic_task`` and ``@app.task(every=, cron=)`` say, by name."""

    def __init__(self, app: "Umbel") -> None:
        self._app = app
        self._added: dict[str, dict[str, Any]] = {}
        self._read: tuple[tuple[int, int], dict[str, Entry]] | None = None

    def __call__(self) -> dict[str, Entry]:
        """All entries. Raises ``ImproperlyConfigured`` that names the one that cannot be."""
        app = self._app
        app.conf.load()
        app.finalize(auto=True)  # receivers of on_after_finalize add theirs
        key = (app.conf.version, len(app.conf.beat_schedule))
        if self._read is None or self._read[0] != key:
            self._read = (key, self._all())
        return self._read[1]

    def _all(self) -> dict[str, Entry]:
        conf = self._app.conf
        said = conf.beat_schedule.items()
        given: dict[str, Any] = {str(name): entry for name, entry in said if not isinstance(entry, _Added)}
        for name, entry in self._added.items():
            if name in given:
                raise ImproperlyConfigured(f"two schedules are named {name!r}: in beat_schedule, and added by code")
            given[name] = entry
        deadline = conf.beat_cron_starting_deadline
        return {name: bound(self._app, read(name, named(entry), deadline=deadline)) for name, entry in given.items()}

    def add(
        self, schedule: Any, task: Any, args: Any, kwargs: Any, name: str | None, options: Mapping[str, Any]
    ) -> str:
        """Take an entry in, and return its name. Raises for two of one name that differ."""
        if isinstance(task, Mapping):  # a signature
            args, kwargs = (*args, *(task.get("args") or ())), {**(task.get("kwargs") or {}), **(kwargs or {})}
            options = {**(task.get("options") or {}), **options}
        entry: dict[str, Any] = {
            "task": task_name(task),
            "schedule": schedule,
            "args": tuple(args),
            "kwargs": kwargs or {},
        }
        entry |= {key: value for key, value in options.items() if key in (*MORE_KEYS, "timezone", "relative")}
        entry["options"] = {key: value for key, value in options.items() if key not in entry}
        found = read(name or entry["task"], entry)
        if name is None:
            name = self._free_name(entry, found)
        known = self._added.get(name)
        if known is not None and read(name, known) != replace(found, name=name):
            raise ImproperlyConfigured(f"two schedules are named {name!r}, and they differ: give one another name=")
        self._added[name] = entry
        shown = found.schedule if isinstance(schedule, str) else schedule
        self._app.conf.put_beside("beat_schedule", name, _Added({**entry, "schedule": shown}))
        return name

    def _free_name(self, entry: Mapping[str, Any], found: Entry) -> str:
        """The call as it would be written; with its schedule, where that is taken by another schedule."""
        values = [*map(repr, found.args), *(f"{key}={value!r}" for key, value in found.kwargs.items())]
        name = f"{found.task}({', '.join(values)})"
        known = self._added.get(name)
        if known is None or read(name, known) == replace(found, name=name):
            return name
        return f"{name} {found.schedule.human_readable}"


def task_name(task: Any) -> str:
    """The name of a task, a signature, or what is one already. Raises ``ParseException``."""
    name = task.get("task") if isinstance(task, Mapping) else getattr(task, "name", task)
    if not isinstance(name, str):
        raise ParseException(f"a schedule calls a task, a signature, or a name of one, not {task!r:.100}")
    return name


def named(given: Any) -> Any:
    """An entry in which a task stands by its name."""
    if isinstance(given, Mapping) and given.get("task") is not None:
        return {**given, "task": task_name(given["task"])}
    return given


def bound(app: "Umbel", entry: Entry) -> Entry:
    """The entry, its schedule read in the zone of ``app`` where it names none."""
    entry.schedule.bound(app)
    return entry
