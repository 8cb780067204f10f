"""A lane: where the tasks of a process run, one at each of its places. It runs user code and never does I/O.

What all lanes have in common: which messages must not run, what an outcome becomes, and that everything leaves through
the hand. What a place runs on (this thread, another thread, a coroutine, a greenlet) is each lane's own business.
"""

import logging
from collections.abc import Callable
from typing import Any, Literal

from umbel.app import signals
from umbel.app.application import Umbel
from umbel.app.execution import failure_record
from umbel.app.request import Context
from umbel.app.traits import Traits
from umbel.app.trouble import one_line
from umbel.core import states
from umbel.core.delivery import Delivery, Keep, Release, Settlement
from umbel.core.errors import (
    BackendGetMetaError,
    ContentDisallowed,
    InvalidTaskError,
    NotRegistered,
    SecurityError,
    TaskRevokedError,
)
from umbel.core.message import Headers, Message
from umbel.core.options import timestamp
from umbel.core.outcome import Failure, Outcome, Revoked, Success, Unreadable, Unregistered
from umbel.core.record import Record
from umbel.core.settle import Policy, is_final, settle
from umbel.result.base import Notes
from umbel.wire import body
from umbel.worker.announce import Announcer
from umbel.worker.hand import LOST, Finished, Hand, Held
from umbel.worker.joining import Joiner
from umbel.worker.plan import Plan, accepted
from umbel.worker.readahead import ReadAhead

logger = logging.getLogger("umbel.worker")
Answer = Callable[[Any], None]


class Lane:
    """What does not depend on a place. ``run`` returns when the hand is closed and empty."""

    def __init__(self, app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead) -> None:
        self.app = app
        self.plan = plan
        self.hand = hand
        self.ahead = ahead
        self.clock = app.clock
        self.nodename = plan.nodename
        self.revoked: Callable[[Headers], bool] = lambda headers: False
        self.retire: Callable[[str], None] = lambda why: None
        """Ends this process after what runs, so that a fresh one takes its place. From any thread."""
        self.worn: Callable[[int], None] = lambda count: None
        """Told after each task how many this process has run, if ``wears``."""
        self.wears = bool(plan.max_tasks or plan.max_memory)
        self.ending: tuple[int, int] | None = None
        """The task that was told to end by a signal: generation and serial."""
        self.forked = False
        """This is a child that a task forked."""
        self.accept = accepted(app)
        self.tell = Announcer(app, plan.nodename, self.accept)
        self._store = app.store
        self.compile = self._store.compile if self._store is not None else None
        self._notes = self._store if isinstance(self._store, Notes) else None
        self._unread = _default_policy(app)
        self._joiner = Joiner(app)

    def run(self) -> None:
        """Run until the hand is closed and empty."""
        raise NotImplementedError

    def free(self) -> None:
        """Nothing runs any more, and the process may live on: let go of threads."""

    def waiter(self) -> tuple[Answer, Callable[[], Any]]:
        """Two ends of one answer: the first is called on the I/O thread, the second waits for it where a task runs."""
        raise NotImplementedError

    def terminate(self, generation: int, serial: int, number: int) -> None:
        """End a task that runs and is revoked. From any thread. ``number`` is the signal that somebody asked for."""

    def is_deadly(self, number: int) -> bool:
        """Whether this signal, which a process does not heed otherwise, was sent to end what runs. Where it runs."""
        return False

    def revoked_instead(self, held: Held, outcome: Outcome) -> Outcome:
        """The outcome of a task that was told to end, if it is this one: whatever it says itself."""
        return outcome

    def policy(self, held: Held) -> Policy:
        """What the options of its task say about its end."""
        if held.traits is None or held.delivery.message is None:
            return self._unread
        return held.traits.policy_for(held.delivery.message.headers.ignore_result)

    def back(self, held: Held) -> None:
        """What the lease no longer covers goes back unstarted."""
        self.hand.finish(Finished(held, Settlement(held.ticket, Release(front=True))))

    def limits(self, traits: Traits, message: Message) -> tuple[float, float]:
        """Soft and hard, in seconds; 0 is none. The caller's own first."""
        hard, soft = message.headers.timelimit or (None, None)
        soft = soft or traits.soft_time_limit or self.plan.soft_time_limit or 0.0
        hard = hard or traits.time_limit or self.plan.time_limit or 0.0
        return soft, hard

    # What is not run --------------------------------------------------------------------------------------------------

    def refusal(self, held: Held) -> Outcome | None:
        """What becomes of a message that must not run; None if it may."""
        message, traits = held.delivery.message, held.traits
        if message is None or traits is None:
            return self._strange(held.delivery)
        headers = message.headers
        if headers.expires is not None and self._has_expired(headers.expires):
            return self._revoke(traits, message, held.delivery, "expired")
        if self.revoked(headers):
            return self._revoke(traits, message, held.delivery, "revoked")
        return None

    def decoded(self, held: Held, message: Message) -> Context | Outcome:
        """The call, its arguments decoded; or what becomes of a message in which there is none."""
        try:
            args, kwargs, embed = body.decode(message, self.accept)
        except Exception as error:  # noqa: BLE001  a serializer is user code
            return self._unreadable(message, error)
        delivery = held.delivery
        if held.rest is LOST:
            return self._incomplete(message)
        context = Context(
            message,
            embed,
            args=args,
            kwargs=kwargs,
            hostname=self.nodename,
            queue=delivery.queue,
            redelivered=delivery.redelivered,
            called_directly=False,
        )
        if held.rest is not None:
            context.rest = held.rest
        if signals.task_received.receivers and held.traits is not None:
            self.tell.received(held.traits.task, context)
        return context

    def _has_expired(self, text: str) -> bool:
        try:
            return timestamp(text) < self.clock.now()
        except (ValueError, OverflowError):
            return False

    def _revoke(self, traits: Traits, message: Message, delivery: Delivery, why: Any) -> Outcome:
        self.tell.revoked(traits.task, message, delivery.queue, why)
        return Revoked(self.ended(message, TaskRevokedError(why), states.REVOKED), why)

    def _strange(self, delivery: Delivery) -> Outcome:
        """Not a message, or a task that is not known here."""
        message, bytes_ = delivery.message, delivery.undecodable
        if message is None:
            reason = bytes_.reason if bytes_ else "empty"
            logger.error("A message in queue %r cannot be decoded and is buried: %s", delivery.queue, reason)
            self.tell.rejected(None, None)
            return Unreadable("undecodable", reason)
        name, now = message.headers.task, self.clock.now()
        since = delivery.unknown_since or now
        error = NotRegistered(name)
        if delivery.unknown_since is None:
            self.tell.unknown(message, error)
        return Unregistered(self.ended(message, error), name, since, now)

    def _unreadable(self, message: Message, error: Exception) -> Outcome:
        name, id = message.headers.task, message.headers.id
        logger.error("Task %s[%s] is buried: %s", name, id, error)
        self.tell.rejected(message, error)
        reason: Literal["undecodable", "refused"] = (
            "refused" if isinstance(error, (ContentDisallowed, InvalidTaskError, SecurityError)) else "undecodable"
        )
        return Unreadable(reason, str(error), self.ended(message, error) if self._store is not None else None)

    def _incomplete(self, message: Message) -> Outcome:
        """It is not run: what should follow it could never be."""
        error = BackendGetMetaError(
            f"what follows it was kept with the results as {message.headers.umbel_rest!r}, and is not there any more"
        )
        logger.error("Task %s[%s] is not run: %s", message.headers.task, message.headers.id, error)
        return Failure(self.ended(message, error), one_line(error))

    def ended(self, message: Message, error: BaseException, state: str = states.FAILURE) -> Record:
        """The record of a task that its own code did not end."""
        return failure_record(message.headers.id, error, self.clock, state=state)

    # Outcome to settlement --------------------------------------------------------------------------------------------

    def settlement(self, held: Held, policy: Policy, outcome: Outcome) -> Finished:
        """What an outcome means for the message."""
        decision = settle(outcome, policy, held.delivery.losses)
        if type(outcome) is not Success and outcome.after is None and is_final(decision):
            outcome.after = self._joiner.ended(held.delivery.message, outcome, self.accept)
            decision = settle(outcome, policy, held.delivery.losses)
        record, ops = self._compiled(decision.record, held)
        share = None
        if decision.records or decision.steps or decision.unread:
            share, more = self._joiner.share(decision)
            ops = (*ops, *more)
        finished = Finished(held, Settlement(held.ticket, decision.disposition, decision.publish, ops), record)
        finished.share = share
        return finished

    def storing(self, held: Held, record: Record) -> Finished:
        """Store a record now; the message stays claimed."""
        first, ops = self._compiled(record, held)
        return Finished(held, Settlement(held.ticket, Keep(), (), ops), first, last=False)

    def _compiled(self, record: Record | None, held: Held) -> tuple[Record | None, tuple[Any, ...]]:
        """``(record, ops)``: what is to be written first, or what the broker does in the same step."""
        if record is None or self.compile is None:
            return None, ()
        if self._joiner.shared:
            return None, (self.compile(record),)
        if self._notes is not None and held.delivery.message is not None:
            self._notes.note(record, held.delivery.message)
        return record, ()


def _default_policy(app: Umbel) -> Policy:
    conf = app.conf
    stored = app.store is not None
    return Policy(
        store_result=stored,
        store_errors=stored,
        max_deliveries=conf.task_max_deliveries,
        unknown_grace=conf.task_unknown_grace,
    )
