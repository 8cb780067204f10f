"""Celery's ``utils.timer2``: calls at a time, after a while, or again and again, on a thread of its own."""

import heapq
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

from umbel.celery import offered
from umbel.runtime.clock import SYSTEM

logger = logging.getLogger("celery.timer")


class Entry:
    """A call to come. ``cancel`` keeps it from being made."""

    __slots__ = ("args", "canceled", "every", "fun", "kwargs", "tref")

    def __init__(self, fun: Callable[..., Any], args: Any = None, kwargs: Any = None) -> None:
        self.fun = fun
        self.args = tuple(args or ())
        self.kwargs = dict(kwargs or {})
        self.tref = self
        self.canceled = False
        self.every: float | None = None

    def __call__(self) -> Any:
        """Make it now."""
        return self.fun(*self.args, **self.kwargs)

    def cancel(self) -> None:
        """Have it not made any more."""
        self.canceled = True

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.canceled

    def __repr__(self) -> str:
        return f"<TimerEntry: {self.fun!r}>"


_Call = Entry


class Timer:
    """Makes calls when they are due, one after the other. What one raises is logged; a repeated one goes on.

    ``pulse`` is called before each of them, and waits until whoever the timer belongs to is alive: so that what a
    timer touches to say that a worker lives says it of the worker, and not of the timer.
    """

    Entry = Entry
    on_tick: Callable[[float], Any] | None = None

    def __init__(self, *args: Any, pulse: Callable[[], object] = lambda: None, **kwargs: Any) -> None:
        self._pulse = pulse
        self._heap: list[tuple[float, int, int, _Call]] = []
        self._serials = count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._over = False

    def call_at(
        self, eta: Any, fun: Callable[..., Any], args: Any = (), kwargs: Any = None, priority: int = 0
    ) -> _Call:
        """Call it at ``eta``: seconds on the monotonic clock, or a datetime."""
        return self._enter(Entry(fun, args, kwargs), to_timestamp(eta), priority)

    def call_after(
        self, secs: float, fun: Callable[..., Any], args: Any = (), kwargs: Any = None, priority: int = 0
    ) -> _Call:
        """Call it in so many seconds."""
        return self._enter(Entry(fun, args, kwargs), SYSTEM.monotonic() + secs, priority)

    def call_repeatedly(
        self, secs: float, fun: Callable[..., Any], args: Any = (), kwargs: Any = None, priority: int = 0
    ) -> _Call:
        """Call it every so many seconds, counted from the end of one call to the start of the next."""
        entry = Entry(fun, args, kwargs)
        entry.every = secs
        return self._enter(entry, SYSTEM.monotonic() + secs, priority)

    def enter_after(self, secs: float, entry: _Call, priority: int = 0, **more: Any) -> _Call:
        """Make a call in so many seconds."""
        return self._enter(entry, SYSTEM.monotonic() + secs, priority)

    def enter(self, entry: _Call, eta: Any, priority: int | None = None) -> _Call:
        """Make a call at ``eta``."""
        return self._enter(entry, to_timestamp(eta), priority or 0)

    enter_at = enter

    def _enter(self, entry: _Call, when: float, priority: int) -> _Call:
        with self._changed:
            heapq.heappush(self._heap, (when, -priority, next(self._serials), entry))
            self._changed.notify()
        self.ensure_started()
        return entry

    def cancel(self, tref: _Call) -> None:
        """Have a call not made any more."""
        tref.cancel()

    def clear(self) -> None:
        """Forget all calls."""
        with self._changed:
            self._heap.clear()

    @property
    def queue(self) -> list[tuple[float, int, _Call]]:
        """The calls to come, the first due first: when, priority and call."""
        with self._changed:
            return [(when, -priority, entry) for when, priority, _, entry in sorted(self._heap)]

    schedule = queue

    def __len__(self) -> int:
        return len(self._heap)

    def __bool__(self) -> bool:
        return True

    def empty(self) -> None:
        """``clear``."""
        self.clear()

    def ensure_started(self) -> None:
        """Begin, unless it has ended."""
        with self._changed:
            if self._thread is None and not self._over:
                self._thread = threading.Thread(target=self._run, name="umbel-timer", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Make no more calls. It does not wait for one that is being made."""
        with self._changed:
            self._over = True
            self._heap.clear()
            self._changed.notify()

    def _run(self) -> None:
        while (due := self._next()) is not None:
            priority, entry = due
            if entry.canceled:
                continue
            try:
                self._pulse()
                if not entry.canceled and not self._over:
                    entry()
            except Exception:
                logger.exception("Error in timer: %r", entry)
            if entry.every is not None and not entry.canceled and not self._over:
                self._enter(entry, SYSTEM.monotonic() + entry.every, -priority)

    def _next(self) -> tuple[int, _Call] | None:
        """The next call, waiting until it is due; None at the end."""
        with self._changed:
            while not self._over:
                left = self._heap[0][0] - SYSTEM.monotonic() if self._heap else None
                if left is not None and left <= 0:
                    _, priority, _, entry = heapq.heappop(self._heap)
                    return priority, entry
                self._changed.wait(left)
        return None


Schedule = Timer


def to_timestamp(d: Any, default_timezone: Any = UTC, time: Callable[[], float] = SYSTEM.monotonic) -> float:
    """A datetime as seconds on the monotonic clock; seconds as they are."""
    if not isinstance(d, datetime):
        return float(d)
    aware = d if d.tzinfo is not None else d.replace(tzinfo=default_timezone)
    return time() + max(0.0, aware.timestamp() - SYSTEM.now())


__all__ = ["Entry", "Schedule", "Timer", "to_timestamp"]

__getattr__ = offered.names_not_in(__name__)
