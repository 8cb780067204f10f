"""The lane of ``gevent``. Loads the library; only in processes whose lane this is."""

from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import gevent.socket

from umbel.app.application import Umbel
from umbel.worker.greenlets import GreenletLane, Happening
from umbel.worker.hand import Hand
from umbel.worker.plan import Plan
from umbel.worker.readahead import ReadAhead


class GeventLane(GreenletLane):
    """Greenlets of gevent's hub."""

    def __init__(self, app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead) -> None:
        super().__init__(app, plan, hand, ahead, GeventHub())


class GeventHub:
    """As ``greenlets.Hub``."""

    def spawn(self, function: Callable[[], None]) -> Any:
        """Run it in a greenlet, soon."""
        return gevent.spawn(function)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call it in the hub's own greenlet."""
        gevent.get_hub().loop.run_callback(callback)

    def wait_readable(self, fd: int) -> None:
        """Let others run until the descriptor can be read."""
        gevent.socket.wait_read(fd)

    def happening(self) -> Happening:
        """A new one."""
        happening: Happening = gevent.event.Event()
        return happening

    def current(self) -> Any:
        """The greenlet that runs."""
        return gevent.getcurrent()
