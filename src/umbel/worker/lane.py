"""The user lane of ``prefork`` and ``solo``: the main thread, one task at a time. Runs user code, never does I/O.

It decodes arguments, runs the pipeline of ``app.execution``, and turns the outcome into a settlement, because user
code hides in serializers too. Everything leaves through the hand.
"""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from inspect import iscoroutine
from typing import Any, Literal, NoReturn

from umbel.app import signals
from umbel.app.application import Umbel
from umbel.app.execution import execute, failure_record
from umbel.app.request import Context
from umbel.app.traits import Traits
from umbel.app.trouble import one_line
from umbel.core import states
from umbel.core.delivery import GONE, Delivery, Keep, Release, Settled, Settlement, Verdict
from umbel.core.errors import (
    ContentDisallowed,
    InvalidTaskError,
    NotRegistered,
    TaskRevokedError,
)
from umbel.core.message import Message
from umbel.core.options import timestamp
from umbel.core.outcome import Failure, Outcome, Revoked, Unreadable, Unregistered
from umbel.core.record import Record
from umbel.core.settle import Policy, settle
from umbel.wire import body
from umbel.worker.hand import Finished, Hand, Held
from umbel.worker.limits import SoftLimit
from umbel.worker.plan import Plan, accepted
from umbel.worker.readahead import ReadAhead

logger = logging.getLogger("umbel.worker")


class Lane:
    """Runs what the hand holds until the hand is closed. The host of ``app.execution``."""

    def __init__(self, app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead) -> None:
        self.app = app
        self.plan = plan
        self.hand = hand
        self.ahead = ahead
        self.clock = app.clock
        self.nodename = plan.nodename
        self.revoked: Callable[[str], bool] = lambda id: False
        self._board = hand.board
        self._limit = SoftLimit()
        self._soft = 0.0
        self._careful = False
        self.forked = False
        self._accept = accepted(app)
        self._store = app.store
        self._shared = self._store is not None and app.broker.shares_server(self._store)
        self._compile = self._store.compile if self._store is not None else None
        self._held: Held
        self._policy: Policy

    def run(self) -> None:
        """Run until the hand is closed and empty."""
        hand = self.hand
        try:
            while (held := hand.take()) is not None:
                if self.clock.monotonic() < hand.lease_end:
                    self._one(held)
                else:
                    hand.finish(Finished(held, Settlement(held.ticket, Release(front=True))))
        finally:
            self._limit.close()

    # One message ------------------------------------------------------------------------------------------------------

    def _one(self, held: Held) -> None:
        hand, traits, delivery = self.hand, held.traits, held.delivery
        message = delivery.message
        self._held = held
        if message is None or traits is None:
            self._policy = _default_policy(self.app)
            self._settle(self._strange(delivery))
            hand.flush()
            return
        headers = message.headers
        self._policy = traits.policy_for(headers.ignore_result)
        refusal = self._refusal(traits, message, delivery)
        if refusal is not None:
            self._settle(refusal)
            hand.flush()
            return
        soft, hard = self._limits(traits, message)
        name = traits.name
        self._careful = self.ahead.may_starve(name)
        hand.running = held
        if self._careful:
            hand.flush_and_wait()
        started = self.clock.monotonic()
        if held.alone or not traits.acks_late or not self.ahead.is_quick(name):
            hand.flush()
        else:
            hand.flush_if_late(started)
        ticket = held.ticket
        if not traits.acks_late:
            self._board.early(ticket.serial)
        self._board.start(
            0, ticket.generation, ticket.serial, started, soft, hard, traits.board_name, headers.id.encode()
        )
        if self._board.recalled():
            hand.unstarted.appendleft(held)
        else:
            hand.since = started
            self._settle_run(traits, message, delivery, soft)
            self.ahead.ran(name, self.clock.monotonic() - started)
        # What raises up to here ends the process, and the board then still says what it ran: that counts as a loss.
        self._board.end(0)
        hand.since = 0.0
        hand.running = None

    def _settle_run(self, traits: Traits, message: Message, delivery: Delivery, soft: float) -> None:
        try:
            self._settle(self._run(traits, message, delivery, soft))
        except BaseException as error:
            # What the pipeline did not foresee costs this task its result, and not the process.
            if self.forked:
                _end_child(error)
            logger.exception("Task %s[%s] met an error in Umbel itself", traits.name, message.headers.id)
            self._settle(Failure(self._ended(message, error), one_line(error)))

    def _run(self, traits: Traits, message: Message, delivery: Delivery, soft: float) -> Outcome:
        try:
            args, kwargs, embed = body.decode(message, self._accept)
        except Exception as error:  # noqa: BLE001  a serializer is user code
            return self._unreadable(message, error)
        if embed.chain or embed.callbacks or embed.chord:
            return self._unreadable(message, InvalidTaskError(_UNBUILT))
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
        if signals.task_received.receivers:
            signals.task_received.send(sender=self, request=context)
        self._soft = soft
        return execute(traits, context, args, kwargs, self)

    def _limits(self, traits: Traits, message: Message) -> tuple[float, float]:
        hard, soft = message.headers.timelimit or (None, None)
        soft = soft or traits.soft_time_limit or self.plan.soft_time_limit or 0.0
        hard = hard or traits.time_limit or self.plan.time_limit or 0.0
        return soft, hard

    # What is not run --------------------------------------------------------------------------------------------------

    def _refusal(self, traits: Traits, message: Message, delivery: Delivery) -> Outcome | None:
        """Why this one must not run, if so."""
        headers = message.headers
        if headers.expires is not None and self._has_expired(headers.expires):
            return self._revoke(traits, message, delivery, "expired")
        if self.revoked(headers.id):
            return self._revoke(traits, message, delivery, "revoked")
        return None

    def _has_expired(self, text: str) -> bool:
        try:
            return timestamp(text) < self.clock.now()
        except (ValueError, OverflowError):
            return False

    def _revoke(self, traits: Traits, message: Message, delivery: Delivery, why: Any) -> Outcome:
        logger.info("Task %s[%s] is not run: %s", traits.name, message.headers.id, why)
        if signals.task_revoked.receivers:
            context = Context(message, hostname=self.nodename, queue=delivery.queue, called_directly=False)
            signals.task_revoked.send(
                sender=traits.task, request=context, terminated=False, signum=None, expired=why == "expired"
            )
        return Revoked(self._ended(message, TaskRevokedError(why), states.REVOKED), why)

    def _strange(self, delivery: Delivery) -> Outcome:
        """Not a message, or a task that is not known here."""
        message, bytes_ = delivery.message, delivery.undecodable
        if message is None:
            reason = bytes_.reason if bytes_ else "empty"
            logger.error("A message in queue %r cannot be decoded and is buried: %s", delivery.queue, reason)
            self._rejected(message, reason)
            return Unreadable("undecodable", reason)
        name, now = message.headers.task, self.clock.now()
        since = delivery.unknown_since or now
        error = NotRegistered(name)
        if delivery.unknown_since is None:
            logger.warning(
                "Task %r[%s] is not registered here. It goes back for workers that know it, for up to %g s; "
                "if none should, import its module: --include or the `imports` setting.",
                name,
                message.headers.id,
                self.app.conf.task_unknown_grace,
            )
        if signals.task_unknown.receivers:
            signals.task_unknown.send(sender=self, message=message, exc=error, name=name, id=message.headers.id)
        return Unregistered(self._ended(message, error), name, since, now)

    def _unreadable(self, message: Message, error: Exception) -> Outcome:
        name, id = message.headers.task, message.headers.id
        logger.error("Task %s[%s] is buried: %s", name, id, error)
        self._rejected(message, error)
        reason: Literal["undecodable", "refused"] = (
            "refused" if isinstance(error, (ContentDisallowed, InvalidTaskError)) else "undecodable"
        )
        return Unreadable(reason, str(error), self._ended(message, error) if self._store is not None else None)

    def _rejected(self, message: Message | None, why: object) -> None:
        if signals.task_rejected.receivers:
            signals.task_rejected.send(sender=self, message=message, exc=why)

    def _ended(self, message: Message, error: BaseException, state: str = states.FAILURE) -> Record:
        return failure_record(message.headers.id, error, self.clock, state=state)

    # Outcome to settlement --------------------------------------------------------------------------------------------

    def _settle(self, outcome: Outcome) -> None:
        held = self._held
        decision = settle(outcome, self._policy, held.delivery.losses)
        record, ops = self._compiled(decision.record)
        settlement = Settlement(held.ticket, decision.disposition, decision.publish, ops)
        finished = Finished(held, settlement, record)
        if decision.publish and signals.after_task_publish.receivers:
            if isinstance(self._ask(finished), Settled):
                for outgoing in decision.publish:
                    self.app.client.announce(outgoing)
        else:
            self.hand.finished.append(finished)

    def _compiled(self, record: Record | None) -> tuple[Record | None, tuple[Any, ...]]:
        """``(record, ops)``: what is to be written first, or what the broker does in the same step."""
        if record is None or self._compile is None:
            return None, ()
        return (None, (self._compile(record),)) if self._shared else (record, ())

    def _storing(self, record: Record) -> Finished:
        """Store a record now; the message stays claimed."""
        first, ops = self._compiled(record)
        return Finished(self._held, Settlement(self._held.ticket, Keep(), (), ops), first, last=False)

    def _ask(self, finished: Finished) -> Verdict:
        """Have it done and wait for the answer."""
        answered = threading.Event()
        verdicts: list[Verdict] = [GONE]

        def answer(verdict: Verdict) -> None:
            verdicts[0] = verdict
            answered.set()

        finished.answer = answer
        self.hand.finished.append(finished)
        self.hand.flush()
        answered.wait()
        return verdicts[0]

    # Host of app.execution --------------------------------------------------------------------------------------------

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call user code under its soft limit, and a coroutine to its end."""
        try:
            if self._soft:
                value = self._limit.call(self._plain, (function, args, kwargs), {}, self._soft)
            else:
                value = function(*args, **kwargs)
                if iscoroutine(value):
                    value = self._limit.run(value)
        except BaseException as error:
            if self.forked:
                _end_child(error)
            raise
        if self.forked:
            _end_child(None)
        return value

    def _plain(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        value = function(*args, **kwargs)
        return self._limit.run(value) if iscoroutine(value) else value

    def started(self, record: Record) -> None:
        """Store that the task has started, in its turn."""
        if self._compile is not None:
            self.hand.finished.append(self._storing(record))
            if self._careful:
                self.hand.flush_and_wait()
            else:
                self.hand.flush()

    def show(self, outcome: Outcome) -> bool:
        """Store the record and wait until it is visible. The message stays claimed until the hooks have run."""
        record = settle(outcome, self._policy, self._held.delivery.losses).record
        if record is None or self._compile is None:
            return True
        return isinstance(self._ask(self._storing(record)), Settled)


_UNBUILT = "its message carries callbacks, a chain or a chord, which this version of Umbel cannot continue"


def _end_child(error: BaseException | None) -> NoReturn:
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


def _default_policy(app: Umbel) -> Policy:
    conf = app.conf
    stored = app.store is not None
    return Policy(
        store_result=stored,
        store_errors=stored,
        max_deliveries=conf.task_max_deliveries,
        unknown_grace=conf.task_unknown_grace,
    )
