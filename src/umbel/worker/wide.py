"""What lanes with many places share: runners that can be abandoned, and the thread that watches their limits.

A runner's settlement is handed over once, by whoever comes first: its own code, or the limiter when the hard limit
has passed. From then on its place is free, and whatever its code still does leads to nothing.
"""

import contextvars
import logging
import sys
import traceback
from collections import deque
from collections.abc import Callable

from umbel.app.application import Umbel
from umbel.app.request import Context
from umbel.app.traits import Traits
from umbel.app.trouble import one_line
from umbel.core import states
from umbel.core.delivery import Loss
from umbel.core.errors import TaskRevokedError, TimeLimitExceeded
from umbel.core.message import Message
from umbel.core.outcome import Failure, Outcome, Revoked
from umbel.runtime.clock import Clock
from umbel.runtime.unpatched import allocate_lock, start
from umbel.worker.announce import context_of, tell_failure, tell_terminated
from umbel.worker.hand import Hand, Held, Place
from umbel.worker.lane import Lane
from umbel.worker.plan import Plan
from umbel.worker.readahead import ReadAhead
from umbel.worker.runner import Runner

logger = logging.getLogger("umbel.worker")
NEVER = float("inf")
LOOK_AGAIN = 0.01
"""Seconds until a limit that could not be raised just now is tried again."""
PULSE = 0.25
"""Seconds between two questions to a thread on which all places depend."""
BLOCKED = 1.0
"""Seconds without an answer after which the task that blocks it is named."""


class WideRunner(Runner):
    """One message at one of many places. Used once."""

    def __init__(self, lane: "WideLane", place: Place, held: Held) -> None:
        super().__init__(lane, place)
        self.wide = lane
        self.held = held
        self.policy = lane.policy(held)
        self.traits: Traits
        self.message: Message
        self.began = 0.0
        self.soft_at = self.hard_at = NEVER
        self.over = False
        """Settled, or about to be: nothing that its code does counts any more."""
        self.abandoned = False
        """Settled by the limiter, which also frees the place."""
        self.ending: Exception
        """Why it was abandoned."""
        self._gate = allocate_lock()

    def admitted(self) -> bool:
        """Settle what must not run; show what is about to run. False: nothing is to be run here now."""
        lane, held = self.lane, self.held
        refusal = lane.refusal(held)
        if refusal is not None:
            self.settle(refusal)
            lane.hand.flush()
            return False
        self.traits, self.message = held.traits, held.delivery.message  # type: ignore[assignment]
        self.began = self.clock.monotonic()
        if not self.start(self.traits, self.message, self.began):
            return False
        _, hard = lane.limits(self.traits, self.message)
        self.soft_at = self.began + self.soft if self.soft else NEVER
        self.hard_at = self.began + hard if hard else NEVER
        self.wide.latest[self.place.index] = self
        self.wide.limiter.watch(self)
        return True

    def settle(self, outcome: Outcome) -> None:
        """Hand over what the outcome means, unless that has been done."""
        if self._take():
            super().settle(outcome)
            self.wide.settled()

    def show(self, outcome: Outcome) -> bool:
        """As ``Runner.show``; False for one that is over."""
        return not self.over and super().show(outcome)

    def _take(self, *, abandon: bool = False) -> bool:
        """Whether the settlement is the caller's to hand over."""
        with self._gate:
            mine, self.over = not self.over, True
            if mine and abandon:
                self.abandoned = True
                self.wide.lingering.add(self)
        return mine

    def done(self) -> None:
        """Its code has come to an end."""
        self.wide.limiter.forget(self)
        self.wide.ahead.ran(self.traits.name, self.ran_for(self.began))
        self.wide.lingering.discard(self)
        self.leave()

    def leave(self) -> None:
        """Free the place, if it is still this one's."""
        with self._gate:
            if self.place.held is not self.held:
                return
            self.end()
        self.wide.vacated(self.place)

    # On the limiter's thread ------------------------------------------------------------------------------------------

    def soft_over(self, soft: float) -> bool:
        """Raise the soft limit inside the task. False: not possible at this moment."""
        raise NotImplementedError

    def hard_over(self) -> None:
        """End the task without its help."""
        if not self._take(abandon=True):
            return
        error = TimeLimitExceeded(self.hard_at - self.began)
        loss = Loss(self.clock.now(), self.nodename, why="hard time limit")
        self._end(error, Failure(self.lane.ended(self.message, error), one_line(error), kind="timeout", loss=loss))
        logger.error("Task %s[%s] was ended: %s", self.traits.name, self.message.headers.id, error)
        context = self._context()
        self.wide.aside(lambda: tell_failure(self.app, self.message, context, error))

    def terminate(self) -> None:
        """As ``hard_over``, for a task that is revoked. From any thread."""
        if not self._take(abandon=True):
            return
        self.hard_at = self.clock.monotonic()  # what strikes its code says how long it ran
        error = TaskRevokedError("terminated")
        self._end(error, Revoked(self.lane.ended(self.message, error, states.REVOKED), "terminated"))
        logger.warning("Task %s[%s] was ended because it is revoked", self.traits.name, self.message.headers.id)
        context = self._context()
        self.wide.aside(lambda: tell_terminated(self.app, self.message, context, None))

    def _context(self) -> Context:
        return context_of(self.message, self.nodename, self.lane.accept, self.held.delivery.queue)

    def _end(self, error: Exception, outcome: Outcome) -> None:
        self.ending = error
        self.lane.hand.finish(self.lane.settlement(self.held, self.policy, outcome))
        self.lane.hand.flush()
        self.abandon()
        if len(self.wide.lingering) > len(self.lane.hand.places):
            self.lane.retire("too many tasks run on after their end")

    def abandon(self) -> None:
        """Free the place, and get rid of the code that runs on there, as well as the lane can.

        Where all places depend on one thread, that thread does it: if it is blocked, the place stays taken, and the
        supervisor sees on the board that this process must go.
        """
        raise NotImplementedError


class WideLane(Lane):
    """A lane of many places. ``pulse``: asks the thread on which all of them depend to call back, if there is one."""

    def __init__(self, app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead) -> None:
        super().__init__(app, plan, hand, ahead)
        self.limiter = Limiter(self.clock, self)
        self.pulse: Callable[[Callable[[], None]], None] | None = None
        self.latest: list[WideRunner | None] = [None] * len(hand.places)
        """Who was last at each place."""
        self.lingering: set[WideRunner] = set()
        """Settled, but their code still runs."""
        self.context = contextvars.copy_context()
        """What the process has set before its first task; each task has a copy of its own."""
        self._count = 0

    def free(self) -> None:
        """As the lane says."""
        self.limiter.stop()

    def terminate(self, generation: int, serial: int, number: int) -> None:
        """End that task alone; the others of this process go on, which a signal to it would not let them."""
        for runner in self.latest:
            if runner is not None and runner.held.ticket[1:] == (generation, serial):
                runner.terminate()

    def running(self) -> int:
        """How many places run something."""
        return len(self.hand.places) - self.hand.free()

    def vacated(self, place: Place) -> None:
        """A task has left its place. On its own thread, or on the limiter's."""
        self._count += 1
        if self.wears:
            self.worn(self._count)

    def settled(self) -> None:
        """A task has handed over its settlement. On its own thread."""
        self.hand.flush()

    def aside(self, work: Callable[[], None]) -> None:
        """Run user code that belongs to no place any more."""
        raise NotImplementedError

    def culprit(self) -> WideRunner | None:
        """The task that runs on the thread on which all places depend, at this moment. From any thread."""
        return None


class PumpLane(WideLane):
    """A wide lane whose places are served by one thread, which starts what it can whenever something has changed."""

    def __init__(self, app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead) -> None:
        super().__init__(app, plan, hand, ahead)
        self._vacant = deque(hand.places)

    def running(self) -> int:
        """As ``WideLane.running``, without a look at every place."""
        return len(self.hand.places) - len(self._vacant)

    def begin(self, place: Place, held: Held) -> bool:
        """Start it; False if it must not run."""
        raise NotImplementedError

    def close(self) -> None:
        """The hand is closed: ``run`` may return."""
        raise NotImplementedError

    def settled(self) -> None:
        """The pump, which follows, hands over those of all who end in one turn."""

    def vacated(self, place: Place) -> None:
        """The place can have another one."""
        super().vacated(place)
        self._vacant.append(place)

    def pump(self) -> None:
        """Start all that may start now. On the lane's thread."""
        while True:
            self._fill()
            if not self.hand.rest():
                self.close()
                return
            if not self._fill():
                return

    def _fill(self) -> int:
        count = 0
        while self._vacant and (held := self.hand.try_take(self.running)) is not None:
            if self.clock.monotonic() > self.hand.lease_end:
                self.back(held)
                continue
            place = self._vacant.popleft()
            if self.begin(place, held):
                count += 1
            else:
                self._vacant.appendleft(place)
                if self.hand.board.recalled():
                    break
        return count


class Limiter:
    """A thread that looks when the next limit passes, and rests while nothing runs. It runs no user code."""

    def __init__(self, clock: Clock, lane: WideLane) -> None:
        self._clock = clock
        self._lane = lane
        self._watched: dict[WideRunner, None] = {}
        self._gate = allocate_lock()
        self._gate.acquire()
        self._until = 0.0
        self._asked = self._answered = 0.0
        self._named: WideRunner | None = None
        self._stopped = False
        self.main = 0

    def start(self, main: int) -> None:
        """Watch, until it is stopped. ``main``: the identifier of the thread that the places depend on."""
        self.main = main
        start(self._run, "umbel-limits")

    def stop(self) -> None:
        """Watch no more."""
        self._stopped = True
        self._nudge()

    def watch(self, runner: WideRunner) -> None:
        """Something starts to run."""
        if runner.soft_at is runner.hard_at and self._lane.pulse is None:
            return  # no limits
        self._watched[runner] = None
        if min(runner.soft_at, runner.hard_at) < self._until or self._until == NEVER:
            self._nudge()

    def forget(self, runner: WideRunner) -> None:
        """It has ended."""
        self._watched.pop(runner, None)

    def _nudge(self) -> None:
        self._until = 0.0
        try:
            self._gate.release()
        except RuntimeError:
            pass  # it has not rested yet, and will not now

    def _run(self) -> None:
        while not self._stopped:
            self._until = NEVER  # whoever starts while it looks makes it look again
            try:
                self._until = until = self._look()
            except Exception:
                logger.exception("The watch over time limits met an error in Umbel itself")
                until = self._clock.monotonic() + 1.0
            rest = until - self._clock.monotonic()
            if until == NEVER:
                self._gate.acquire()
            elif rest > 0:
                self._gate.acquire(timeout=min(rest, 3600.0))

    def _look(self) -> float:
        """Act on what has passed; when to look again."""
        if not self._watched:
            self._asked = 0.0
            return NEVER
        now = self._clock.monotonic()
        until = NEVER
        for runner in list(self._watched):
            if now >= runner.hard_at:
                self.forget(runner)
                runner.hard_over()
                continue
            if now >= runner.soft_at:
                if runner.soft_over(runner.soft):
                    runner.soft_at = NEVER
                else:
                    until = min(until, now + LOOK_AGAIN)
            until = min(until, runner.hard_at, max(runner.soft_at, now + LOOK_AGAIN))
        return min(until, self._feel_pulse(now))

    # A blocked thread -------------------------------------------------------------------------------------------------

    def _feel_pulse(self, now: float) -> float:
        pulse = self._lane.pulse
        if pulse is None:
            return NEVER
        if not self._asked or self._answered >= self._asked:
            self._asked, self._named = now, None
            pulse(self._beat)
        elif now - self._asked > BLOCKED:
            self._name(now - self._asked)
        return now + PULSE

    def _beat(self) -> None:
        self._answered = self._clock.monotonic()

    def _name(self, seconds: float) -> None:
        """Say who blocks all others, once, with what it does."""
        runner = self._lane.culprit()
        if runner is None or runner is self._named:
            return
        self._named = runner
        frame = sys._current_frames().get(self.main)  # noqa: SLF001  the documented way to another thread's stack
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        logger.warning(
            "Task %s[%s] has let nothing else run for %.1f s: what it does belongs on a thread or another lane.\n%s",
            runner.traits.name,
            runner.message.headers.id,
            seconds,
            stack,
        )
