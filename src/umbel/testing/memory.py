"""A broker and a store in memory that one test has for itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from umbel.app.identity import uuid
from umbel.drivers import memory
from umbel.runtime.clock import SYSTEM


@contextmanager
def memory_of_its_own() -> Iterator[str]:
    """The URL of a place in memory that nobody else has. At the end what is there is forgotten."""
    url = f"memory://{uuid(SYSTEM.now())}"
    try:
        yield url
    finally:
        memory.discard(url)
