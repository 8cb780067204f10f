"""The event loop that coroutines of tasks run on: uvloop's or Python's own. Runs nothing on it."""

import asyncio
import importlib.util
from typing import Literal

Kind = Literal["auto", "uvloop", "asyncio"]


def has_uvloop() -> bool:
    """Whether it is installed."""
    return importlib.util.find_spec("uvloop") is not None


def new_loop(kind: Kind) -> asyncio.AbstractEventLoop:
    """A loop of this kind; ``auto`` is uvloop's where it is installed. Raises ``ModuleNotFoundError``."""
    if kind == "asyncio" or (kind == "auto" and not has_uvloop()):
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    return loop
