"""From an application and options to a beat that runs: alone, or on a thread inside a worker."""

import asyncio
import logging
import threading
from types import TracebackType

from umbel.app import signals
from umbel.app.application import Umbel
from umbel.beat.choosing import Runner, choose
from umbel.beat.options import BeatOptions
from umbel.runtime import system

logger = logging.getLogger("umbel.beat")

LAST_WORDS = 6.0
"""Seconds that a worker waits for the beat inside it."""


def run(app: Umbel, options: BeatOptions) -> int:
    """Be a beat until told to stop (SIGTERM, SIGINT); returns the exit status."""
    scheduler = choose(app, options)
    scheduler.begins(signals.beat_init)
    app.conf.freeze("a beat is running with it")
    try:
        asyncio.run(_until_signalled(scheduler))
    finally:
        app.conf.thaw()
    return 0


async def _until_signalled(scheduler: Runner) -> None:
    loop = asyncio.get_running_loop()
    for number in system.STOPS:
        loop.add_signal_handler(number, scheduler.stop)
    await scheduler.run()


class Embedded:
    """A beat beside a worker: on a thread with a loop of its own, for as long as the context lasts."""

    def __init__(self, app: Umbel, options: BeatOptions) -> None:
        self._scheduler = choose(app, options)
        self._thread = threading.Thread(target=self._run, name="umbel-beat", daemon=True)

    def __enter__(self) -> "Embedded":
        self._scheduler.begins(signals.beat_embedded_init)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scheduler.stop()
        self._thread.join(LAST_WORDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._scheduler.run())
        except Exception:
            logger.exception("The beat inside this worker ended; the worker goes on without it")
