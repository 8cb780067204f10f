"""The lane of ``prefork`` and ``solo``: the main thread, one task at a time. Runs user code, never does I/O."""

import logging
import os
import threading
from collections.abc import Callable
from inspect import iscoroutine
from typing import Any

from umbel.app.application import Umbel
from umbel.app.traits import Traits
from umbel.core import states
from umbel.core.delivery import GONE
from umbel.core.errors import TaskRevokedError
from umbel.core.message import Message
from umbel.core.outcome import Outcome, Revoked
from umbel.core.record import Record
from umbel.worker.announce import context_of, tell_terminated
from umbel.worker.hand import Hand, Held
from umbel.worker.lane import Answer, Lane
from umbel.worker.limits import SoftLimit
from umbel.worker.plan import Plan
from umbel.worker.readahead import ReadAhead
from umbel.worker.runner import Runner, end_child

logger = logging.getLogger("umbel.worker")


class MainLane(Lane):
    """Runs what the hand holds, one after the other, on the thread that calls ``run``."""

    def __init__(self, app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead) -> None:
        super().__init__(app, plan, hand, ahead)
        self._limit = SoftLimit()
        self._number = 0
        self._runner = MainRunner(self, self._limit)

    def run(self) -> None:
        """Run until the hand is closed and empty."""
        hand, monotonic, one = self.hand, self.clock.monotonic, self._runner.one
        try:
            while (held := hand.take()) is not None:
                if monotonic() < hand.lease_end:
                    one(held)
                else:
                    self.back(held)
        finally:
            self._limit.close()

    def waiter(self) -> tuple[Answer, Callable[[], Any]]:
        """As ``thread_waiter``."""
        return thread_waiter()

    # A task that is revoked -------------------------------------------------------------------------------------------

    def terminate(self, generation: int, serial: int, number: int) -> None:
        """Send this process the signal. It ends by it, unless user code handles it; then that has a moment."""
        if self._runs((generation, serial)):
            self.ending, self._number = (generation, serial), number
            os.kill(os.getpid(), number)

    def is_deadly(self, number: int) -> bool:
        """As the base says. The task may have ended since the signal was sent."""
        return number == self._number and self.ending is not None and self._runs(self.ending)

    def _runs(self, which: tuple[int, int]) -> bool:
        held = self.hand.places[0].held
        return held is not None and held.ticket[1:] == which

    def revoked_instead(self, held: Held, outcome: Outcome) -> Outcome:
        """User code has handled the signal, and the task has come to an end of its own: it is revoked all the same."""
        message = held.delivery.message
        if held.ticket[1:] != self.ending or message is None or isinstance(outcome, Revoked):
            return outcome
        logger.warning("Task %s[%s] has ended because it is revoked", message.headers.task, message.headers.id)
        context = context_of(message, self.nodename, self.accept, held.delivery.queue)
        tell_terminated(self.app, message, context, self._number)
        error = TaskRevokedError("terminated")
        return Revoked(self.ended(message, error, states.REVOKED), "terminated", self._number)


def thread_waiter() -> tuple[Answer, Callable[[], Any]]:
    """An answer that a thread waits for."""
    answered = threading.Event()
    answers: list[Any] = [GONE]

    def answer(value: Any) -> None:
        answers[0] = value
        answered.set()

    def wait() -> Any:
        answered.wait()
        return answers[0]

    return answer, wait


class MainRunner(Runner):
    """The one place of the main thread; it serves one message after the other."""

    def __init__(self, lane: MainLane, limit: SoftLimit) -> None:
        super().__init__(lane, lane.hand.places[0])
        self._limit = limit
        self._careful = False
        self._count = 0

    def one(self, held: Held) -> None:
        """From the hand to the settlement."""
        lane, hand = self.lane, self.lane.hand
        self.held, self.policy = held, lane.policy(held)
        if (refusal := lane.refusal(held)) is not None:
            self.settle(refusal)
            hand.flush()
            return
        traits: Traits = held.traits  # type: ignore[assignment]
        message: Message = held.delivery.message  # type: ignore[assignment]
        name, ahead = traits.name, lane.ahead
        self._careful = ahead.may_starve(name)
        if self._careful:
            self.place.held = held  # should it starve the I/O thread, this one is to blame
            hand.flush_and_wait()
        started = self.clock.monotonic()
        if held.alone or not traits.acks_late or not ahead.is_quick(name):
            hand.flush()
        else:
            hand.flush_if_late(started)
        if self.start(traits, message, started):
            self.run(traits, message)
            ahead.ran(name, self.ran_for(started))
            # What raises up to here ends the process, and the board then still says what it ran: it counts as a loss.
            self.end()
            self._count += 1
            if lane.wears:
                lane.worn(self._count)

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """As ``Runner.call``. In one frame where there is nothing to limit: every task passes here."""
        if self.soft:
            return super().call(function, args, kwargs)
        try:
            value = function(*args, **kwargs)
            if iscoroutine(value):
                value = self._limit.run(value)
        except BaseException as error:
            if self.lane.forked:
                end_child(error)
            raise
        if self.lane.forked:
            end_child(None)
        return value

    def limited(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Under the alarm."""
        return self._limit.call(self._plain, (function, args, kwargs), {}, self.soft)

    def _plain(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        value = function(*args, **kwargs)
        return self._limit.run(value) if iscoroutine(value) else value

    def started(self, record: Record) -> None:
        """Store that the task has started, before what may keep the I/O thread from it."""
        super().started(record)
        if self._careful:
            self.lane.hand.flush_and_wait()
