"""A scheduler in Celery's shape: a heap over its entries, of which ``tick`` sends what is due."""

import copy
import heapq
import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from umbel.celery.beat.entries import ScheduleEntry, SchedulingError, evaluated
from umbel.core.schedule import schedstate
from umbel.runtime.clock import SYSTEM

DEFAULT_MAX_INTERVAL = 300
logger = logging.getLogger("celery.beat")


class event_t(NamedTuple):
    """When to look at an entry again: wall seconds."""

    time: float
    priority: int
    entry: Any


class Scheduler:
    """A scheduler. A subclass overrides where entries come from (``schedule``, ``setup_schedule``, ``sync``)."""

    Entry: type[Any] = ScheduleEntry
    max_interval: Any = DEFAULT_MAX_INTERVAL
    sync_every: float = 3 * 60
    sync_every_tasks: int | None = None
    logger = logger
    _last_sync: float | None = None
    _tasks_since_sync = 0

    def __init__(
        self,
        app: Any,
        schedule: Any = None,
        max_interval: float | None = None,
        Producer: Any = None,
        lazy: bool = False,
        sync_every_tasks: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.app = app
        self.data: Any = {} if schedule is None else schedule
        self.max_interval = max_interval or app.conf.beat_max_loop_interval or self.max_interval
        self.Producer = Producer or app.amqp.Producer
        self.sync_every_tasks = app.conf.beat_sync_every if sync_every_tasks is None else sync_every_tasks
        self.old_schedulers: Any = None
        self._heap: list[event_t] | None = None
        if not lazy:
            self.setup_schedule()

    # Entries ----------------------------------------------------------------------------------------------------------

    def setup_schedule(self) -> None:
        """Read the entries: a place for overriding."""
        self.install_default_entries(self.data)
        self.merge_inplace(self.app.conf.beat_schedule)

    def install_default_entries(self, data: Any) -> None:
        """Add entries that every app has: none, Umbel's workers clean up by themselves."""

    def get_schedule(self) -> Any:
        """The entries by name."""
        return self.data

    def set_schedule(self, schedule: Any) -> None:
        """Take other entries."""
        self.data = schedule

    @property
    def schedule(self) -> Any:
        """The entries by name."""
        return self.get_schedule()

    @schedule.setter
    def schedule(self, schedule: Any) -> None:
        self.set_schedule(schedule)

    def add(self, **kwargs: Any) -> Any:
        """Add an entry."""
        entry = self.Entry(app=self.app, **kwargs)
        self.schedule[entry.name] = entry
        return entry

    def _maybe_entry(self, name: str, entry: Any) -> Any:
        if isinstance(entry, self.Entry):
            entry.app = self.app
            return entry
        return self.Entry(**{**entry, "name": name, "app": self.app})

    def update_from_dict(self, dict_: Mapping[str, Any]) -> None:
        """Add entries that stand as in ``beat_schedule``, over those of the same names."""
        self.schedule.update({name: self._maybe_entry(name, entry) for name, entry in dict_.items()})

    def merge_inplace(self, b: Mapping[str, Any]) -> None:
        """Have these entries and no others; of those that were there, when they ran is kept."""
        entries = self.schedule
        for name in set(entries) - set(b):
            entries.pop(name, None)
        for name, said in b.items():
            entry = self._maybe_entry(name, said)
            if entries.get(name):
                entries[name].app = self.app
                entries[name].update(entry)
            else:
                entries[name] = entry

    def reserve(self, entry: Any) -> Any:
        """Count a run, and return the entry as it is after it."""
        again = self.schedule[entry.name] = next(entry)
        return again

    # Sending ----------------------------------------------------------------------------------------------------------

    def is_due(self, entry: Any) -> schedstate:
        """Whether it is due, and in how many seconds to ask again."""
        found: schedstate = entry.is_due()
        return found

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send a call that is due. What goes wrong is logged."""
        logger.info("Scheduler: Sending due task %s (%s)", entry.name, entry.task)
        try:
            result = self.apply_async(entry, producer=producer, advance=False)
        except Exception as error:
            logger.exception("Message Error: %s", error)
        else:
            logger.debug("%s sent. id->%s", entry.task, getattr(result, "id", None))

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:
        """Send a call; with ``advance``, count the run. Raises ``SchedulingError``."""
        entry = self.reserve(entry) if advance else entry
        try:
            args = [evaluated(value) for value in entry.args or ()]
            named = {name: evaluated(value) for name, value in (entry.kwargs or {}).items()}
            task = self.app.tasks.get(entry.task)
            options = {**(entry.options or {}), **kwargs}
            if task is not None:
                return task.apply_async(args, named, **options)
            return self.send_task(entry.task, args, named, **options)
        except Exception as error:
            raise SchedulingError(f"Couldn't apply scheduled task {entry.name}: {error}") from error
        finally:
            self._tasks_since_sync += 1
            if self.should_sync():
                self._do_sync()

    def send_task(self, *args: Any, **kwargs: Any) -> Any:
        """Call a task by its name."""
        return self.app.send_task(*args, **kwargs)

    # The heap ---------------------------------------------------------------------------------------------------------

    def adjust(self, n: float | None, drift: float = -0.010) -> float | None:
        """Seconds, a little less, so as to wake up in time."""
        return n + drift if n and n > 0 else n

    def populate_heap(self, event_t: Any = event_t, heapify: Any = heapq.heapify) -> None:
        """Look at all entries anew."""
        self._heap = []
        for entry in self.schedule.values():
            is_due, seconds = entry.is_due()
            self._heap.append(event_t(self._when(0 if is_due else seconds), 5, entry))
        heapify(self._heap)

    def _when(self, seconds: float | None) -> float:
        return float("inf") if seconds is None else SYSTEM.now() + (self.adjust(seconds) or 0)

    def tick(
        self, event_t: Any = event_t, min: Any = min, heappop: Any = heapq.heappop, heappush: Any = heapq.heappush
    ) -> Any:
        """Send one call that is due. Returns in how many seconds to tick again."""
        if self._heap is None or not self.schedules_equal(self.old_schedulers, self.schedule):
            self.old_schedulers = copy.copy(self.schedule)
            self.populate_heap()
        heap = self._heap or []
        if not heap:
            return self.max_interval
        event = heap[0]
        is_due, seconds = self.is_due(event.entry)
        if not is_due:
            heappop(heap)
            heappush(heap, event_t(self._when(seconds), event.priority, event.entry))
            return self._rest(heap, min)
        heappop(heap)
        after = self.reserve(event.entry)
        self.apply_entry(event.entry, producer=self.producer)
        heappush(heap, event_t(self._when(seconds), event.priority, after))
        return 0

    def _rest(self, heap: list[event_t], min: Any) -> Any:
        return min(max(0.0, heap[0].time - SYSTEM.now()), self.max_interval)

    def schedules_equal(self, old_schedules: Any, new_schedules: Any) -> bool:
        """Whether the entries are those that they were."""
        if old_schedules is None or new_schedules is None:
            return old_schedules is new_schedules
        if set(old_schedules) != set(new_schedules):
            return False
        return all(new_schedules.get(name) == entry for name, entry in old_schedules.items())

    # Keeping ----------------------------------------------------------------------------------------------------------

    def should_sync(self) -> bool:
        """Whether it is time to ``sync``."""
        late = self._last_sync is None or SYSTEM.monotonic() - self._last_sync > self.sync_every
        return late or bool(self.sync_every_tasks and self._tasks_since_sync >= self.sync_every_tasks)

    def _do_sync(self) -> None:
        try:
            self.sync()
        finally:
            self._last_sync = SYSTEM.monotonic()
            self._tasks_since_sync = 0

    def sync(self) -> None:
        """Keep when entries ran: a place for overriding."""

    def close(self) -> None:
        """The end."""
        self.sync()

    @cached_property
    def connection(self) -> Any:
        """A way to the broker."""
        return self.app.connection_for_write()

    @cached_property
    def producer(self) -> Any:
        """What publishes through it."""
        return self.Producer(self.connection)

    @property
    def info(self) -> str:
        """What the banner shows of it."""
        return ""


__all__ = ["DEFAULT_MAX_INTERVAL", "Scheduler", "event_t"]
