"""Waiting for a result: whether it is allowed here, how long it lasts, and what is called on the way."""

import asyncio
import builtins
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from umbel.app import again, bulk, request
from umbel.app.absence import Absence
from umbel.core import states
from umbel.core.errors import BackendError, TimeoutError
from umbel.core.record import Record

if TYPE_CHECKING:
    from umbel.app.results import AsyncResult
    from umbel.app.resultsets import ResultSet

T = TypeVar("T")

OVER, LEAST = 0.1, 0.5
"""Seconds that an answer may still take when the time is over (the last look begins then), and what it has in all."""

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
        self.timeout = timeout
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
            raise TimeoutError(f"{what} within {self.timeout:g} s")

    def ask(self, question: Callable[[float | None], T]) -> T:
        """What the store answers to a question, which is told how many seconds there are. Raises ``TimeoutError``."""
        try:
            return again.ask(self.result.app, lambda: question(self._allowed()), self.deadline)
        except BackendError as error:
            if self.left() == 0:
                raise self._unanswered(f": {error}") from error
            raise

    async def aask(self, question: Callable[[float | None], Awaitable[T]]) -> T:
        """``ask``, for coroutines."""
        try:
            return await again.aask(self.result.app, lambda: question(self._allowed()), self.deadline)
        except BackendError as error:
            if self.left() == 0:
                raise self._unanswered(f": {error}") from error
            raise

    async def within(self, work: Awaitable[T]) -> T:
        """What comes of what knows no time of its own. Raises ``TimeoutError``."""
        try:
            async with asyncio.timeout(self._allowed()):
                return await work
        except builtins.TimeoutError as error:
            raise self._unanswered("") from error

    def _unanswered(self, why: str) -> TimeoutError:
        return TimeoutError(f"the result store gave no answer within {self.timeout:g} s{why}")

    def _allowed(self) -> float | None:
        """Seconds that the next answer may take."""
        if self.deadline is None:
            return None
        return max(self.deadline + OVER, self.began + LEAST) - self.clock.monotonic()

    def left(self) -> float | None:
        """Seconds until the time is over. None: there is no end."""
        return None if self.deadline is None else max(self.deadline - self.clock.monotonic(), 0.0)

    def slice(self) -> float:
        """Seconds until the next look."""
        if self.deadline is None:
            return self.interval
        return max(min(self.interval, self.deadline - self.clock.monotonic()), 0.0)

    def passed(self) -> None:
        """A slice has passed; if nothing was heard, and it is time, look whether anybody works."""
        if self._is_due():
            self.absence.look(self.left())

    async def apassed(self) -> None:
        """``passed``, for coroutines."""
        if self._is_due():
            await asyncio.to_thread(self.absence.look, self.left())

    def _is_due(self) -> bool:
        if self.on_interval is not None:
            self.on_interval()
        return not self.heard and self.left() != 0 and self.absence.due(self.clock.monotonic() - self.began)
