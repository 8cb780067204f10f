"""What an outcome means: the table of the design, row by row, and what must hold for any of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from umbel.core.delivery import Ack, Bury, Loss, Outgoing, Park, Release
from umbel.core.message import Headers, Message, Properties
from umbel.core.outcome import (
    Failure,
    Ignored,
    Lost,
    Outcome,
    Rejected,
    Retried,
    Revoked,
    Success,
    Unreadable,
    Unregistered,
)
from umbel.core.record import Record
from umbel.core.settle import Policy, settle

DONE, FAILED = Record("SUCCESS", 4, task_id="t"), Record("FAILURE", {}, "trace", task_id="t")
LOSS = Loss(at=1.0, node="n", pid=7, signal=9, why="killed by SIGKILL")
NEXT = Outgoing("q", Message(Headers("a.b", "t"), Properties(), b""))

LATE = Policy()
CELERY = Policy(acks_late=False, reject_on_worker_lost=False)


def lost(*, started: bool = True, begun: bool = False, stopping: bool = False, whole: bool = False) -> Lost:
    return Lost(FAILED, LOSS, started=started, begun=begun, stopping=stopping, whole=whole)


ROWS: list[tuple[str, Outcome, Policy, int, object, bool]] = [
    # what                              outcome                      policy, losses -> disposition, record stored
    ("returned", Success(DONE), LATE, 0, Ack(), True),
    ("returned, results off", Success(DONE), replace(LATE, store_result=False), 0, Ack(), False),
    ("raised", Failure(FAILED, "E: x"), LATE, 0, Bury("failed", "E: x", "trace"), True),
    ("raised, kept nowhere", Failure(FAILED, "E: x"), replace(LATE, keep_failed=False), 0, Ack(), True),
    ("raised, errors off", Failure(FAILED, "E"), replace(LATE, store_errors=False), 0,
     Bury("failed", "E", "trace"), False),
    ("raised, no ack on failure", Failure(FAILED, "E"), replace(LATE, acks_on_failure=False), 0,
     Bury("rejected", "E", "trace"), True),
    ("over its limit", Failure(FAILED, "L", kind="timeout", loss=LOSS), LATE, 0, Bury("failed", "L", "trace"), True),
    ("over its limit, no ack on it", Failure(FAILED, "L", kind="timeout", loss=LOSS),
     replace(LATE, acks_on_timeout=False), 0, Release(front=True, loss=LOSS), False),
    ("over its limit for the fifth time", Failure(FAILED, "L", kind="timeout", loss=LOSS),
     replace(LATE, acks_on_timeout=False), 4, Bury("lost", "L", "trace", LOSS), True),
    ("ignored", Ignored(), LATE, 0, Ack(), False),
    ("rejected", Rejected(requeue=False, detail="no"), LATE, 0, Bury("rejected", "no"), False),
    ("rejected to its queue", Rejected(requeue=True), LATE, 0, Release(front=False), False),
    ("revoked", Revoked(FAILED, "revoked"), LATE, 0, Ack(), True),
    ("killed while it ran", lost(), LATE, 0, Release(front=True, loss=LOSS), False),
    ("killed for the fourth time", lost(), LATE, 3, Release(front=True, loss=LOSS), False),
    ("killed for the fifth time", lost(), LATE, 4, Bury("lost", "killed by SIGKILL, 5 times", loss=LOSS), True),
    ("killed, no cap", lost(), replace(LATE, max_deliveries=None), 99, Release(front=True, loss=LOSS), False),
    ("killed beside another", lost(started=False), LATE, 4, Release(front=True), False),
    ("ended by a stop", lost(stopping=True), LATE, 4, Release(front=True), False),
    ("killed, acknowledged early", lost(begun=True), CELERY, 0, Bury("lost", "killed by SIGKILL", loss=LOSS), True),
    ("killed, early, on its way", lost(started=False), CELERY, 0, Release(front=True), False),
    ("killed, late, not to be repeated", lost(), replace(LATE, reject_on_worker_lost=False), 0,
     Bury("lost", "killed by SIGKILL", loss=LOSS), True),
    ("its worker killed with it, late", lost(whole=True), replace(LATE, reject_on_worker_lost=False), 0,
     Release(front=True, loss=LOSS), False),
    ("not a message", Unreadable("undecodable", "why"), LATE, 0, Bury("undecodable", "why"), False),
    ("content refused", Unreadable("refused", "why", FAILED), LATE, 0, Bury("refused", "why"), True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "outcome", "policy", "losses", "disposition", "stored"), ROWS, ids=lambda v: str(v)[:40]
)
def test_table(what: str, outcome: Outcome, policy: Policy, losses: int, disposition: object, stored: bool) -> None:
    decision = settle(outcome, policy, losses)
    assert decision.disposition == disposition, what
    assert (decision.record is not None) == stored, what


def test_a_retry_is_published_with_the_acknowledgement() -> None:
    decision = settle(Retried(Record("RETRY"), (NEXT,)), LATE)
    assert decision.publish == (NEXT,)
    assert decision.disposition == Ack()
    assert decision.record is not None


def test_an_unknown_task_waits_longer_each_time_and_not_for_ever() -> None:
    def at(age: float) -> object:
        return settle(Unregistered(FAILED, "a.b", since=1000.0, now=1000.0 + age), LATE).disposition

    assert at(0) == Park(1001.0, "unknown")
    assert at(40) == Park(1050.0, "unknown")
    assert at(500) == Park(1530.0, "unknown")
    assert at(599.5) == Park(1600.0, "unknown")
    assert isinstance(at(600), Bury)


@given(losses=st.integers(0, 50), cap=st.none() | st.integers(1, 10), late=st.booleans(), reject=st.booleans(),
       keep=st.booleans(), started=st.booleans(), begun=st.booleans(), stopping=st.booleans())  # fmt: skip
def test_a_loss_is_counted_only_where_it_may_count(
    losses: int, cap: int | None, late: bool, reject: bool, keep: bool, started: bool, begun: bool, stopping: bool
) -> None:
    policy = Policy(acks_late=late, reject_on_worker_lost=reject, max_deliveries=cap, keep_failed=keep)
    decision = settle(lost(started=started, begun=begun, stopping=stopping), policy, losses)
    disposition = decision.disposition
    if isinstance(disposition, Release):
        assert not begun, "what was marked as begun never runs again"
        counted = disposition.loss is not None
        assert counted == (started and not stopping)
        assert not counted or cap is None or losses + 1 < cap
    else:
        assert started or begun
        assert decision.record is not None, "what does not run again says so"
