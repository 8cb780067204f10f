"""Threads, locks and selectors as the operating system has them, also where gevent or eventlet has replaced Python's.

Import this before anything is patched; where that is too late, the library that patched is asked for the originals.
"""

import asyncio
import importlib
import selectors
import sys
import threading
from collections.abc import Callable
from typing import Any


def _original(module: str, name: str) -> Any:
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched(module):
        return monkey.get_original(module, name)
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.already_patched:
        return getattr(patcher.original(module), name)
    return getattr(importlib.import_module(module), name)


allocate_lock: Callable[[], Any] = _original("_thread", "allocate_lock")
start_new_thread: Callable[..., int] = _original("_thread", "start_new_thread")
RLock: Callable[[], Any] = _original("_thread", "RLock")
SimpleQueue: Callable[[], Any] = _original("_queue", "SimpleQueue")
read: Callable[[int, int], bytes] = _original("os", "read")
write: Callable[[int, bytes], int] = _original("os", "write")
get_ident: Callable[[], int] = _original("_thread", "get_ident")
Selector: type[selectors.BaseSelector] = _original("selectors", "DefaultSelector")


def is_patched() -> bool:
    """Whether threads of ``threading`` are greenlets by now."""
    return importlib.import_module("_thread").start_new_thread is not start_new_thread


def start(function: Callable[[], None], name: str) -> None:
    """Run it on a thread of the system's own, which does not keep the process."""
    if is_patched():
        start_new_thread(function, ())
    else:
        threading.Thread(target=function, name=name, daemon=True).start()


class Flag:
    """Something that happens once; threads of the operating system wait for it."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()
        self._happened = False

    def set(self) -> None:
        """It has happened."""
        if not self._happened:
            self._happened = True
            self._lock.release()

    def is_set(self) -> bool:
        """Whether it has."""
        return self._happened

    def wait(self) -> None:
        """Block the whole thread until it has."""
        with self._lock:
            pass


class Loop(asyncio.SelectorEventLoop):
    """An event loop that waits by the system's own selector, and looks up names on threads of the system's own."""

    def __init__(self) -> None:
        super().__init__(Selector())

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """Run it on a thread of its own."""
        future: asyncio.Future[Any] = self.create_future()

        def settle(value: Any, error: BaseException | None = None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)

        def run() -> None:
            answer: tuple[Any, ...]
            try:
                answer = (func(*args),)
            except BaseException as error:  # noqa: BLE001  raised again where it is awaited
                answer = None, error
            try:
                self.call_soon_threadsafe(settle, *answer)
            except RuntimeError:
                pass  # the loop is closed: nobody waits any more

        start_new_thread(run, ())
        return future
