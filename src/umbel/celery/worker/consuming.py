"""The consumers of a ``ConsumerStep``: a thread of the worker's first process that drains them until it is stopped."""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from umbel.core.errors import OperationalError
from umbel.runtime.clock import SYSTEM

logger = logging.getLogger("celery.worker.consumer")

LOOK = 1.0
"""Seconds after which it looks whether it was told to stop."""
PAUSES = (0.5, 8.0)
"""Seconds between two attempts to reach the broker, from the first to the longest."""
LAST_WORDS = 5.0
"""Seconds that a callback gets to return when the worker stops."""


class Consuming:
    """Drains consumers. While the broker is away, it tries again, with new ones."""

    def __init__(self, app: Any, consumers: Callable[[Any], Iterable[Any]], name: str) -> None:
        self._app, self._consumers = app, consumers
        self._told = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"umbel-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more, and hand back what is in hand."""
        self._told.set()
        self._thread.join(LAST_WORDS)

    def _run(self) -> None:
        pause = PAUSES[0]
        while not self._told.is_set():
            try:
                with self._app.connection() as connection:
                    consumers = list(self._consumers(connection) or ())
                    for consumer in consumers:
                        consumer.consume()
                    pause = PAUSES[0]
                    self._drain(connection)
            except OperationalError as error:
                logger.warning("%s. Trying again in %.1f s", error, pause)
                self._told.wait(pause)
                pause = min(pause * 2, PAUSES[1])
            except Exception:
                logger.exception("The consumers of a bootstep are started anew, because of an error in them")
                self._told.wait(pause)
                pause = min(pause * 2, PAUSES[1])

    def _drain(self, connection: Any) -> None:
        while not self._told.is_set():
            try:
                connection.drain_events(timeout=LOOK)
            except TimeoutError:
                SYSTEM.pause(0)
