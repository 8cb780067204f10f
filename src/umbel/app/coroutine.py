"""Running a coroutine from code that is none, whether or not a loop runs around it."""

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def finished(value: Any) -> Any:
    """The value; of a coroutine, what it returns."""
    return run(value) if asyncio.iscoroutine(value) else value


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it to its end and return its value. Beside a running loop it gets a thread, and the caller blocks."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    values: list[T] = []
    errors: list[BaseException] = []

    def beside() -> None:
        try:
            values.append(asyncio.run(coroutine))
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(beside,))
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return values[0]
