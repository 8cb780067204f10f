"""The lane of ``eventlet``. Loads the library; only in processes whose lane this is."""

from collections.abc import Callable
from typing import Any

import eventlet
import eventlet.event
import eventlet.hubs

from umbel.app.application import Umbel
from umbel.worker.greenlets import GreenletLane, Happening
from umbel.worker.hand import Hand
from umbel.worker.plan import Plan
from umbel.worker.readahead import ReadAhead


class EventletLane(GreenletLane):
    """Greenlets of eventlet's hub."""

    def __init__(self, app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead) -> None:
        super().__init__(app, plan, hand, ahead, EventletHub())


class EventletHub:
    """As ``greenlets.Hub``."""

    def spawn(self, function: Callable[[], None]) -> Any:
        """Run it in a greenlet, soon."""
        return eventlet.spawn(function)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call it in the hub's own greenlet."""
        eventlet.hubs.get_hub().schedule_call_global(0, callback)

    def wait_readable(self, fd: int) -> None:
        """Let others run until the descriptor can be read."""
        eventlet.hubs.trampoline(fd, read=True)

    def happening(self) -> Happening:
        """A new one."""
        return _Happening()

    def current(self) -> Any:
        """The greenlet that runs."""
        return eventlet.getcurrent()


class _Happening:
    def __init__(self) -> None:
        self._event = eventlet.event.Event()

    def set(self) -> None:
        self._event.send()

    def wait(self) -> object:
        return self._event.wait()
