"""The heart: what an outcome means. One pure function over data; the worker only performs what it says.

    outcome + the task's policy  ->  Decision(records, steps of joins, publish, disposition, events)

Nobody else decides what becomes of a message. Its tests are the table: each kind of outcome under each policy.
"""

import msgspec

from umbel.core.delivery import Ack, Bury, Disposition, Outgoing, Park, Release
from umbel.core.joining import Step
from umbel.core.outcome import (
    Failure,
    Ignored,
    Lost,
    Outcome,
    Rejected,
    Retried,
    Revoked,
    Success,
    Unread,
    Unreadable,
    Unregistered,
)
from umbel.core.record import Record

UNKNOWN_PAUSE = (1.0, 30.0)
"""Seconds, least and most, that a message of an unknown task waits: a quarter of its age, within these."""


class Policy(msgspec.Struct, frozen=True):
    """What a task's options and the settings say about its ends. ``max_deliveries`` None is without a cap."""

    acks_late: bool = True
    acks_on_failure: bool = True
    acks_on_timeout: bool = True
    reject_on_worker_lost: bool = True
    store_result: bool = True
    store_errors: bool = True
    max_deliveries: int | None = 5
    keep_failed: bool = True
    unknown_grace: float = 600.0


class Decision(msgspec.Struct):
    """What to do, in this order: store the records, take the steps of joins, publish, dispose, send the events.

    ``record`` is the task's own, ``records`` are those of others that will never run now, and of rests of chains.
    ``unread`` holds others that are not known yet.
    """

    disposition: Disposition
    record: Record | None = None
    publish: tuple[Outgoing, ...] = ()
    records: tuple[Record, ...] = ()
    steps: tuple[Step, ...] = ()
    unread: tuple[Unread, ...] = ()
    events: tuple[str, ...] = ()


ACK = Ack()
_ACKED = Decision(ACK)


def settle(outcome: Outcome, policy: Policy, losses: int = 0) -> Decision:
    """Decide. ``losses`` is how often a worker was lost with this message before."""
    if outcome.after is not None:
        return _followed(outcome, policy, losses)
    match outcome:
        case Success():
            if policy.store_result or outcome.publish:
                return Decision(ACK, outcome.record if policy.store_result else None, outcome.publish)
            return _ACKED
        case Failure():
            return _failed(outcome, policy, losses)
        case Retried():
            return Decision(ACK, outcome.record if policy.store_result else None, outcome.publish)
        case Ignored():
            return Decision(ACK, publish=outcome.publish)
        case Rejected():
            return Decision(Release(front=False) if outcome.requeue else Bury("rejected", outcome.detail))
        case Revoked():
            return Decision(ACK, outcome.record if policy.store_errors else None)
        case Lost():
            return _lost(outcome, policy, losses)
        case Unregistered():
            return _unregistered(outcome, policy)
        case Unreadable():
            return Decision(Bury(outcome.reason, outcome.detail), outcome.record)


def is_final(decision: Decision) -> bool:
    """Whether the task has ended with it: what waits for it may go on, or has to be told."""
    return isinstance(decision.disposition, Ack | Bury)


def _followed(outcome: Outcome, policy: Policy, losses: int) -> Decision:
    """A decision with what follows the outcome, if that is the task's end."""
    after = outcome.after
    if type(outcome) is Success and after is not None:  # as below, for the many
        record = outcome.record if policy.store_result else None
        publish = (*outcome.publish, *after.publish)
        return Decision(ACK, record, publish, tuple(after.records), tuple(after.steps), tuple(after.unread))
    decision = settle(msgspec.structs.replace(outcome, after=None), policy, losses)
    if after is None or not is_final(decision):
        return decision
    return msgspec.structs.replace(
        decision,
        publish=(*decision.publish, *after.publish),
        records=tuple(after.records),
        steps=tuple(after.steps),
        unread=tuple(after.unread),
    )


def _failed(outcome: Failure, policy: Policy, losses: int) -> Decision:
    record = outcome.record if policy.store_errors else None
    if policy.acks_late and outcome.kind == "timeout" and not policy.acks_on_timeout:
        if not _used_up(policy, losses):
            return Decision(Release(front=True, loss=outcome.loss))
        return Decision(Bury("lost", outcome.detail, outcome.record.traceback, outcome.loss), record, outcome.publish)
    acked = not policy.acks_late or outcome.kind == "timeout" or policy.acks_on_failure
    disposition: Disposition = ACK
    if not acked:
        disposition = Bury("rejected", outcome.detail, outcome.record.traceback)
    elif policy.keep_failed:
        disposition = Bury("failed", outcome.detail, outcome.record.traceback)
    return Decision(disposition, record, outcome.publish)


def _lost(outcome: Lost, policy: Policy, losses: int) -> Decision:
    if not outcome.started and not outcome.begun:
        return Decision(Release(front=True))
    record = outcome.record if policy.store_errors else None
    # Celery asks reject_on_worker_lost only where a worker outlives its process: what a dead worker held comes back.
    again = policy.reject_on_worker_lost or outcome.stopping or outcome.whole
    if outcome.begun or not (policy.acks_late and again):
        if not policy.keep_failed:
            return Decision(ACK, record)
        return Decision(Bury("lost", outcome.loss.why, loss=outcome.loss), record)
    if outcome.stopping:
        return Decision(Release(front=True))
    if _used_up(policy, losses):
        return Decision(Bury("lost", f"{outcome.loss.why}, {losses + 1} times", loss=outcome.loss), record)
    return Decision(Release(front=True, loss=outcome.loss))


def _used_up(policy: Policy, losses: int) -> bool:
    return policy.max_deliveries is not None and losses + 1 >= policy.max_deliveries


def _unregistered(outcome: Unregistered, policy: Policy) -> Decision:
    age = outcome.now - outcome.since
    if age >= policy.unknown_grace:
        detail = f"no worker knew the task {outcome.name!r} for {age:.0f} s"
        return Decision(Bury("unregistered", detail), outcome.record if policy.store_errors else None)
    least, most = UNKNOWN_PAUSE
    pause = min(max(age / 4, least), most, max(policy.unknown_grace - age, 0.05))
    return Decision(Park(until=outcome.now + pause, why="unknown"))
