"""User code beside a loop: on threads that nothing has to wait for. Knows no worker."""

import asyncio
import concurrent.futures
import contextvars
import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from umbel.runtime.unpatched import SimpleQueue, allocate_lock, start

logger = logging.getLogger("umbel.worker")

T = TypeVar("T")


class Aside:
    """Calls functions on daemon threads. The executor of asyncio would keep the loop from closing until they return."""

    def __init__(self) -> None:
        self._running: set[asyncio.Future[None]] = set()

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> "asyncio.Future[None]":
        """Call it, and return a future that is done when it has returned. What it raises is logged."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def run() -> None:
            try:
                function(*arguments, **named)
            except BaseException:
                logger.exception("%r failed", function)
            try:
                loop.call_soon_threadsafe(_settle, done)
            except RuntimeError:
                pass  # nobody waited for it

        self._running.add(done)
        done.add_done_callback(self._running.discard)
        start(run, "umbel-aside")
        return done

    async def wait(self, seconds: float) -> bool:
        """Wait for all that run, so long at most; says whether all have returned."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=seconds)
        return not self._running


def _settle(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)


class Errands:
    """One daemon thread that does one thing after the other: for code whose connections belong to their thread.

    It begins with the first errand, in each process anew, and needs no end.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pid = 0
        self._waiting = SimpleQueue()
        self._lock = allocate_lock()

    async def do(self, work: Callable[[], T]) -> T:
        """Do it there, after what was asked for before, and return what it gives."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                value = work()
            except BaseException as error:  # noqa: BLE001  raised again where it is awaited
                _tell(loop, done, done.set_exception, error)
            else:
                _tell(loop, done, done.set_result, value)

        self._put(run)
        return await done

    def call(self, work: Callable[[], T]) -> T:
        """``do``, for code that blocks."""
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001  raised again where it is waited for
                done.set_exception(error)

        self._put(run)
        return done.result()

    def _put(self, run: Callable[[], None]) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._waiting = os.getpid(), SimpleQueue()
                start(partial(_serve, self._waiting), self._name)
        self._waiting.put(run)


def _serve(waiting: Any) -> None:
    while True:
        waiting.get()()


async def on_thread(work: Callable[[], T]) -> T:
    """Run it on a daemon thread: one that never returns keeps nothing from ending, as an executor's would."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001  raised again where it is awaited
            _tell(loop, done, done.set_exception, error)
        else:
            _tell(loop, done, done.set_result, value)

    context = contextvars.copy_context()
    start(lambda: context.run(run), "umbel-aside")
    return await done


def _tell(
    loop: asyncio.AbstractEventLoop, done: "asyncio.Future[Any]", settle: Callable[[Any], None], outcome: Any
) -> None:
    try:
        loop.call_soon_threadsafe(lambda: None if done.done() else settle(outcome))
    except RuntimeError:
        pass  # the loop has ended meanwhile
