"""The lanes of ``gevent`` and ``eventlet``: each place is a greenlet of the main thread. Knows neither library.

What other threads want of the lane comes by a pipe, which a greenlet of its own reads. A greenlet that never yields
blocks all others: it is interrupted by a signal when its soft limit passes, and ends with its process after the hard
one. Coroutines run on a loop in a thread beside, since one thread can run but one loop at a time.
"""

import asyncio
import contextvars
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from inspect import iscoroutine
from types import FrameType
from typing import Any, Protocol

from umbel.app import signals
from umbel.app.application import Umbel
from umbel.core.delivery import GONE
from umbel.core.errors import SoftTimeLimitExceeded
from umbel.runtime.unpatched import Flag, Loop, get_ident, start, write
from umbel.worker.awaiting import Interruptible, SoftCancelled
from umbel.worker.hand import Hand, Held, Place
from umbel.worker.limits import as_limit
from umbel.worker.plan import Plan
from umbel.worker.readahead import ReadAhead
from umbel.worker.wide import PumpLane, WideRunner


class Happening(Protocol):
    """Something that happens once, and that greenlets wait for."""

    def set(self) -> None:
        """It has happened."""

    def wait(self) -> object:
        """Let others run until it has."""


class Hub(Protocol):
    """What a library of greenlets does for the lane. All of it on the main thread."""

    def spawn(self, function: Callable[[], None]) -> Any:
        """Run it in a greenlet, soon."""

    def soon(self, callback: Callable[[], None]) -> None:
        """Call it in the hub's own greenlet."""

    def wait_readable(self, fd: int) -> None:
        """Let others run until the descriptor can be read."""

    def happening(self) -> Happening:
        """A new one."""

    def current(self) -> Any:
        """The greenlet that runs."""


class GreenletLane(PumpLane):
    """Tasks as greenlets."""

    def __init__(self, app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead, hub: Hub) -> None:
        super().__init__(app, plan, hand, ahead)
        self.hub = hub
        self.runners: dict[Any, GreenletRunner] = {}
        self._orders: deque[Callable[[], None]] = deque()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._open = True
        self._pumps = False
        self._beside: Beside | None = None

    def run(self) -> None:
        """Serve the pipe until the hand is closed."""
        self.hand.wake_lane = self._wake
        self.pulse = self.order
        signal.signal(signal.SIGALRM, self._alarmed)
        self.limiter.start(get_ident())
        self._tell(signals.eventlet_pool_started)
        self.pump()
        while self._open:
            self.hub.wait_readable(self._reader)
            os.read(self._reader, 65536)
            while self._orders:
                self._orders.popleft()()
            self.pump()
        self._tell(signals.eventlet_pool_preshutdown)
        self._tell(signals.eventlet_pool_postshutdown)

    def _tell(self, signal: signals.Signal, **told: Any) -> None:
        """Celery has these for eventlet alone."""
        if self.plan.pool == "eventlet" and signal.receivers:
            signal.send(sender=self, **told)

    def close(self) -> None:
        """The main greenlet may return."""
        self._open = False
        self._wake()

    def order(self, work: Callable[[], None]) -> None:
        """Have it done on the main thread. From any thread."""
        self._orders.append(work)
        self._wake()

    def _wake(self) -> None:
        try:
            write(self._writer, b"!")
        except BlockingIOError:
            pass  # it has plenty to read already

    def pump_soon(self) -> None:
        """Once for all that end in one turn of the hub."""
        if not self._pumps:
            self._pumps = True
            self.hub.spawn(self._pump)

    def _pump(self) -> None:
        self._pumps = False
        self.pump()

    def begin(self, place: Place, held: Held) -> bool:
        """As a greenlet."""
        runner = GreenletRunner(self, place, held)
        if not runner.admitted():
            return False
        context = self.context.copy()
        self._tell(signals.eventlet_pool_apply, target=runner.drive, args=(), kwargs={})
        runner.greenlet = self.hub.spawn(lambda: context.run(runner.drive))
        self.runners[runner.greenlet] = runner
        return True

    def waiter(self) -> tuple[Callable[[Any], None], Callable[[], Any]]:
        """Two ends of one answer; a greenlet that waits lets others run, a coroutine blocks its loop."""
        if get_ident() != self.limiter.main:
            return _flag_waiter()
        happening, answers = self.hub.happening(), [GONE]

        def answer(value: Any) -> None:
            answers[0] = value
            self.order(happening.set)

        def wait() -> Any:
            happening.wait()
            return answers[0]

        return answer, wait

    def aside(self, work: Callable[[], None]) -> None:
        """In a greenlet of its own."""
        self.order(lambda: self.hub.spawn(work))

    def beside(self) -> "Beside":
        """The loop on which coroutines run."""
        if self._beside is None:
            self._beside = Beside()
        return self._beside

    def culprit(self) -> "GreenletRunner | None":
        """The task whose code the main thread is in."""
        frame = sys._current_frames().get(self.limiter.main)  # noqa: SLF001  the documented way to another's stack
        while frame is not None:
            if frame.f_code is GreenletRunner.limited.__code__:
                found = frame.f_locals["self"]
                return found if isinstance(found, GreenletRunner) else None
            frame = frame.f_back
        return None

    def _alarmed(self, number: int, frame: FrameType | None) -> None:
        """The soft limit of some task has passed. If it is the one that runs here, raise it inside."""
        runner = self.runners.get(self.hub.current())
        if runner is not None and runner.can_be_struck() and self.clock.monotonic() >= runner.soft_at:
            runner.struck = True
            raise SoftTimeLimitExceeded(runner.soft)


class GreenletRunner(WideRunner):
    """One message in one greenlet."""

    def __init__(self, lane: GreenletLane, place: Place, held: Held) -> None:
        super().__init__(lane, place, held)
        self._lane = lane
        self.greenlet: Any = None
        self.struck = False
        self._armed = False
        self._code: Interruptible | None = None

    def drive(self) -> None:
        """To the settlement."""
        try:
            self.run(self.traits, self.message)
        finally:
            self._lane.runners.pop(self.greenlet, None)
            self.done()
            self._lane.pump_soon()

    def limited(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """In this greenlet, into which a limit may be thrown meanwhile."""
        self._armed = True
        try:
            value = function(*args, **kwargs)
            return self._await(value) if iscoroutine(value) else value
        except SoftCancelled as error:
            raise as_limit(error) from error.__cause__
        finally:
            self._armed = False

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """On the loop beside; this greenlet waits, and is not struck itself."""
        answer, wait = self._lane.waiter()
        beside = self._lane.beside()
        self._armed = False
        self._code = Interruptible(coroutine, beside.loop)
        try:
            beside.run(self._code, answer)
            return wait().result()
        finally:
            self._code = None

    def can_be_struck(self) -> bool:
        """Whether its own code runs, and has not been struck yet."""
        return self._armed and not self.struck

    # On the limiter's thread ------------------------------------------------------------------------------------------

    def soft_over(self, soft: float) -> bool:
        """Throw it in from the hub; if the greenlet lets no hub run, the signal finds it."""
        code = self._code
        if self.struck:
            return True
        if code is not None:
            self.struck = True
            code.interrupt_from_afar(SoftCancelled(soft))
            return True
        signal.pthread_kill(self.wide.limiter.main, signal.SIGALRM)
        self._lane.order(lambda: self._lane.hub.soon(lambda: self._throw(SoftTimeLimitExceeded(soft))))
        return False

    def abandon(self) -> None:
        """Throw the hard limit in, where the greenlet may clean up; nobody waits for it.

        A coroutine is left by way of its loop: if it blocks that, no other could run any more, and the process must go.
        """
        if self._code is None:
            self._lane.order(self._abandon)
        else:
            self._lane.beside().loop.call_soon_threadsafe(self._lane.order, self._abandon)

    def _abandon(self) -> None:
        self.leave()
        code, error = self._code, self.ending
        if code is not None:
            code.interrupt_from_afar(asyncio.CancelledError())
        self.struck = False
        self._lane.hub.soon(lambda: self._throw(error))

    def _throw(self, error: Exception) -> None:
        """In the hub: the greenlet waits for something, inside its own code if that is armed."""
        if self.can_be_struck():
            self.struck = True
            self.greenlet.throw(error)


def _flag_waiter() -> tuple[Callable[[Any], None], Callable[[], Any]]:
    """An answer that a thread of the system's own waits for: it has no hub."""
    answered, answers = Flag(), [GONE]

    def answer(value: Any) -> None:
        answers[0] = value
        answered.set()

    def wait() -> Any:
        answered.wait()
        return answers[0]

    return answer, wait


class Beside:
    """A loop in a thread of the system's own, for coroutines of greenlets."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop
        self._runs = Flag()
        start(self._main, "umbel-coroutines")
        self._runs.wait()

    def _main(self) -> None:
        self.loop = Loop()
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self._runs.set)
        while True:
            # asyncio ends a loop with these; whoever awaits the coroutine that raised one gets it all the same.
            with suppress(SystemExit, KeyboardInterrupt):
                self.loop.run_forever()

    def run(self, code: Interruptible, answer: Callable[[Any], None]) -> None:
        """Run it to its end, in a copy of the caller's context; ``answer`` gets the task."""
        context = contextvars.copy_context()

        def begin() -> None:
            self.loop.create_task(code.main(), context=context).add_done_callback(answer)

        self.loop.call_soon_threadsafe(begin)
