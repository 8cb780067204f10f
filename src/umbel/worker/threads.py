"""The lane of ``threads``: each place is a thread. The main thread only waits for the end."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from umbel.app.application import Umbel
from umbel.runtime.unpatched import get_ident
from umbel.worker.awaiting import Awaiting
from umbel.worker.hand import Hand, Held, Place
from umbel.worker.lane import Answer
from umbel.worker.plan import Plan
from umbel.worker.prefork import thread_waiter
from umbel.worker.readahead import ReadAhead
from umbel.worker.strikes import Strike
from umbel.worker.wide import WideLane, WideRunner

logger = logging.getLogger("umbel.worker")


class ThreadLane(WideLane):
    """Threads that take from the hand in turn. One that does not end at its hard limit is replaced."""

    def __init__(self, app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead) -> None:
        super().__init__(app, plan, hand, ahead)
        self._turn = threading.Lock()
        self._ended = threading.Event()

    def run(self) -> None:
        """Have the threads run until the hand is closed."""
        self.limiter.start(get_ident())
        for place in self.hand.places:
            self.open(place)
        self._ended.wait()

    def open(self, place: Place) -> None:
        """A thread for a place."""
        name = f"umbel-{place.index + 1}"
        threading.Thread(target=self._work, args=(place,), name=name, daemon=True).start()

    def waiter(self) -> tuple[Answer, Callable[[], Any]]:
        """As ``thread_waiter``."""
        return thread_waiter()

    def vacated(self, place: Place) -> None:
        """The place is free; what waits to run alone may go now."""
        super().vacated(place)
        self.hand.open_gate()

    def aside(self, work: Callable[[], None]) -> None:
        """On a thread of its own."""
        threading.Thread(target=work, name="umbel-aside", daemon=True).start()

    def _work(self, place: Place) -> None:
        awaiting = Awaiting()
        try:
            while (runner := self._next(place, awaiting)) is not None:
                self.context.copy().run(runner.run, runner.traits, runner.message)
                runner.done()
                if runner.abandoned:
                    return  # another thread has the place
            self._ended.set()
        except BaseException:
            logger.exception("A thread ends because of an error in Umbel itself")
            self.retire("one of its threads is lost")
        finally:
            awaiting.close()

    def _next(self, place: Place, awaiting: Awaiting) -> "ThreadRunner | None":
        """The next message that this place runs; None at the end. One thread at a time looks for one."""
        with self._turn:
            while (held := self.hand.take_beside(self.running)) is not None:
                if self.clock.monotonic() > self.hand.lease_end:
                    self.back(held)
                    continue
                runner = ThreadRunner(self, place, held, awaiting)
                if runner.admitted():
                    return runner
        return None


class ThreadRunner(WideRunner):
    """One message on one thread."""

    def __init__(self, lane: ThreadLane, place: Place, held: Held, awaiting: Awaiting) -> None:
        super().__init__(lane, place, held)
        self._threads = lane
        self._strike = Strike(awaiting)

    def limited(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """On this thread, which may be struck meanwhile."""
        return self._strike.call(function, args, kwargs)

    def soft_over(self, soft: float) -> bool:
        """Raise it in the thread."""
        return self._strike.strike(soft)

    def abandon(self) -> None:
        """Open another thread in the place. This one may end by itself when it is struck."""
        self.leave()
        self._strike.strike(self.hard_at - self.began)
        self._threads.open(self.place)
