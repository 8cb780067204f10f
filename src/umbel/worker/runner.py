"""A runner: takes one message at one place from the hand to its settlement. The host of ``app.execution``."""

import logging
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from umbel.app import signals
from umbel.app.application import Umbel
from umbel.app.execution import execute
from umbel.app.request import Context
from umbel.app.traits import Traits
from umbel.app.trouble import one_line
from umbel.core.delivery import Settled, Verdict
from umbel.core.message import Message
from umbel.core.outcome import Failure, Outcome
from umbel.core.record import Record
from umbel.core.settle import Policy, settle
from umbel.worker.hand import Finished, Held, Place
from umbel.worker.lane import Lane
from umbel.worker.readahead import BUSY

logger = logging.getLogger("umbel.worker")


class Runner:
    """One place of a lane with a message in it."""

    def __init__(self, lane: Lane, place: Place) -> None:
        self.lane = lane
        self.place = place
        self.app: Umbel = lane.app
        self.clock = lane.clock
        self.nodename = lane.nodename
        self.soft = 0.0
        self.held: Held
        self.policy: Policy
        self._board = lane.hand.board

    # On and off the board ---------------------------------------------------------------------------------------------

    def start(self, traits: Traits, message: Message, started: float) -> bool:
        """Show what is about to run. False: the supervisor takes back what has not started, this one too."""
        held, place, board, hand = self.held, self.place, self._board, self.lane.hand
        ticket = held.ticket
        self.soft, hard = self.lane.limits(traits, message)
        place.held = held
        board.start(
            place.index,
            ticket.generation,
            ticket.serial,
            started,
            self.soft,
            hard,
            traits.board_name,
            message.headers.id.encode(),
        )
        if board.recalled():
            board.end(place.index)
            place.held = None
            hand.unstarted.appendleft(held)
            return False
        if held.alone:
            hand.lone = held
        place.since = started
        return True

    def ran_for(self, began: float) -> float:
        """Seconds since ``began``, at the end of what ran.

        It may have kept the I/O thread from showing itself. Until that has its turn, the end is a sign of life: or who
        looks at just this moment would see a process that has been silent for long, and runs nothing.
        """
        now = self.clock.monotonic()
        if now - began > BUSY:
            self._board.beat(now)
        return now - began

    def end(self) -> None:
        """The place is free again."""
        held = self.held
        if not held.traits.acks_late:  # type: ignore[union-attr]
            self._board.early(held.ticket.serial)
        if held.alone:
            self.lane.hand.lone = None
        place = self.place
        self._board.end(place.index)
        place.since = 0.0
        place.held = None

    # To the settlement ------------------------------------------------------------------------------------------------

    def run(self, traits: Traits, message: Message) -> None:
        """Run it, on a thread or greenlet that is this place's own, and settle."""
        try:
            call = self.lane.decoded(self.held, message)
            if isinstance(call, Context):
                self.settle((traits.traced or execute)(traits, call, call.args, call.kwargs, self))
            else:
                self.settle(call)
        except BaseException as error:  # noqa: BLE001
            self.fell(traits, message, error)

    def fell(self, traits: Traits, message: Message, error: BaseException) -> None:
        """What the pipeline did not foresee costs this task its result, and not the process."""
        if self.lane.forked:
            end_child(error)
        self.lane.tell.internal(traits.task, message, error)
        self.settle(Failure(self.lane.ended(message, error), one_line(error)))

    def settle(self, outcome: Outcome) -> None:
        """Hand over what the outcome means."""
        if self.lane.ending is not None:
            outcome = self.lane.revoked_instead(self.held, outcome)
        finished = self.lane.settlement(self.held, self.policy, outcome)
        publish = finished.settlement.publish
        if publish and signals.after_task_publish.receivers:
            if isinstance(self.ask(finished), Settled):
                for outgoing in publish:
                    self.app.client.announce(outgoing)
        else:
            self.lane.hand.finished.append(finished)

    def ask(self, finished: Finished) -> Verdict:
        """Have it done and wait for the answer."""
        answer, wait = self.lane.waiter()
        finished.answer = answer
        self.lane.hand.finished.append(finished)
        self.lane.hand.flush()
        verdict: Verdict = wait()
        return verdict

    # Host of app.execution --------------------------------------------------------------------------------------------

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call user code under its soft limit, and a coroutine to its end."""
        try:
            value = self.limited(function, args, kwargs)
        except BaseException as error:
            if self.lane.forked:
                end_child(error)
            raise
        if self.lane.forked:
            end_child(None)
        return value

    def limited(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """As ``call``; each lane in its own way."""
        raise NotImplementedError

    def started(self, record: Record) -> None:
        """Store that the task has started, in its turn."""
        if self.lane.compile is not None:
            self.lane.hand.finished.append(self.lane.storing(self.held, record))
            self.lane.hand.flush()

    def show(self, outcome: Outcome) -> bool:
        """Store the record and wait until it is visible. The message stays claimed until the hooks have run."""
        finished = self.showing(outcome)
        return finished is None or isinstance(self.ask(finished), Settled)

    def showing(self, outcome: Outcome) -> Finished | None:
        """What makes the outcome's record visible, if it has one that is stored."""
        if self.lane.ending is not None:
            outcome = self.lane.revoked_instead(self.held, outcome)
        record = settle(outcome, self.policy, self.held.delivery.losses).record
        return None if record is None or self.lane.compile is None else self.lane.storing(self.held, record)


def end_child(error: BaseException | None) -> NoReturn:
    """A child that the task forked came back here instead of ending: it runs no hooks and settles nothing."""
    status = 0
    try:
        if isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            status = 1
            traceback.print_exception(error)
        sys.stdout.flush()
    finally:
        os._exit(status & 0xFF)
