"""Waiting for a result: whether it is allowed here, how long it lasts, and what is called on the way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec

from umbel.app import bulk, request
from umbel.app.absence import Absence
from umbel.core import states
from umbel.core.errors import TimeoutError
from umbel.core.record import Record

if TYPE_CHECKING:
    from umbel.app.results import AsyncResult
    from umbel.app.resultsets import ResultSet

IN_TASK = (
    "Never call result.get() within a task: it waits for a worker that may be waiting for it. "
    "If you know that it cannot, pass disable_sync_subtasks=False"
)

_joins_allowed: ContextVar[bool | None] = ContextVar("umbel_allow_join", default=None)
"""Whether somebody allowed or denied waiting here; None: nobody, so it depends on where this is."""


@contextmanager
def allow_join_result() -> Iterator[None]:
    """Let ``get()`` wait inside a task, for this block."""
    token = _joins_allowed.set(True)
    try:
        yield
    finally:
        _joins_allowed.reset(token)


@contextmanager
def denied_join_result() -> Iterator[None]:
    """Let ``get()`` refuse to wait, for this block. Calls under ``task_always_eager`` run in one."""
    token = _joins_allowed.set(False)
    try:
        yield
    finally:
        _joins_allowed.reset(token)


def check_may_wait(disabled: bool) -> None:
    """Raise ``RuntimeError`` where waiting would never end: inside a task (``disabled``), inside ``bulk()``."""
    if disabled:
        check_join()
    if bulk.collecting():
        raise RuntimeError("get() inside bulk(): what it waits for is sent at the end of the block; get it after that")


def check_join() -> None:
    """Raise ``RuntimeError`` inside a task of a worker, and wherever waiting is denied."""
    allowed = _joins_allowed.get()
    if allowed is None:
        context = request.current.get()
        allowed = context is None or context.called_directly or context.is_eager
    if not allowed:
        raise RuntimeError(IN_TASK)


class Waiting:
    """One wait: how long ``get`` waits, what it calls on the way, and when it says that nobody works."""

    def __init__(
        self,
        result: "AsyncResult[Any] | ResultSet",
        timeout: float | None,
        interval: float,
        on_message: Callable[[dict[str, Any]], Any] | None,
        on_interval: Callable[[], Any] | None,
    ) -> None:
        self.clock = result.app.clock
        self.began = self.clock.monotonic()
        self.deadline = None if timeout is None else self.began + timeout
        self.interval = max(interval, 0.001)
        self.result = result
        self.on_message = on_message
        self.on_interval = on_interval
        self.absence = Absence(result.app, result.sent_to)
        self.told: Record | None = None
        self.heard = False

    def done(self, record: Record) -> bool:
        """Whether ``record`` is the end. Raises ``TimeoutError`` if it is not, and the time is over."""
        self.heard = record.status != states.PENDING
        if self.on_message is not None and self.heard and record != self.told:
            self.told = record
            self.on_message(msgspec.to_builtins(record))
        if record.status in states.READY_STATES:
            return True
        self.check(f"no result of {self.result}")
        return False

    def check(self, what: str) -> None:
        """Raise ``TimeoutError`` if the time is over."""
        if self.deadline is not None and self.clock.monotonic() >= self.deadline:
            raise TimeoutError(f"{what} within {self.deadline - self.began:g} s")

    def slice(self) -> float:
        """Seconds until the next look."""
        if self.deadline is None:
            return self.interval
        return max(min(self.interval, self.deadline - self.clock.monotonic()), 0.0)

    def passed(self) -> bool:
        """A slice has passed. True: nothing was heard, and it is time to look whether anybody works."""
        if self.on_interval is not None:
            self.on_interval()
        return not self.heard and self.absence.due(self.clock.monotonic() - self.began)
