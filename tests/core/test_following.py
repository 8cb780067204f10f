"""What follows an end: who is called, who will never be, and which parts joins get. Tables, no mocks."""

from typing import Any

import pytest

from umbel.core import following
from umbel.core.delivery import Ack, Bury, Loss, Release
from umbel.core.following import Ending
from umbel.core.joining import Arrived, Closing, Joined, Part
from umbel.core.message import Embed
from umbel.core.outcome import After, Failure, Lost, Rejected, Success
from umbel.core.record import Record
from umbel.core.settle import Policy, is_final, settle
from umbel.core.signature import chain_of, chord_of, group_of, make
from umbel.wire import parts


def task(name: str, **options: Any) -> dict[str, Any]:
    return make(name, options=options)


BODY = task("body", task_id="body")
A, B, C = (task(name, task_id=name) for name in "abc")


def calls(embed: Embed) -> list[tuple[str, Any]]:
    return [(call.place, call.signature) for call in following.next_calls(embed, 5)]


def test_a_callback_and_the_next_link_are_called_with_the_value() -> None:
    found = following.next_calls(Embed(callbacks=[A], chain=[C, B]), 5)
    assert [(call.signature, call.args, call.chain) for call in found] == [(A, (5,), None), (B, (5,), [C])]


def test_several_callbacks_go_out_as_one_group_and_groups_by_themselves() -> None:
    several = group_of([A, B])
    assert calls(Embed(callbacks=[C, several, B])) == [("callback-group-0", several), ("callbacks", group_of([C, B]))]


def test_nothing_follows_nothing() -> None:
    assert calls(Embed()) == []
    assert not following.is_followed(Embed())
    assert all(
        following.is_followed(Embed(**{name: value}))  # type: ignore[arg-type]
        for name, value in {"callbacks": [A], "errbacks": [A], "chain": [A], "chord": BODY}.items()
    )


def ids(*signatures: Any) -> list[str | None]:
    return [one.task_id for one in following.endings_of_chain(signatures)]


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (A, ["a"]),
        (chain_of([A, B]), ["a", "b"]),
        (group_of([A, chain_of([B, C])]), ["a", "b", "c"]),
        (chord_of([A, B], C), ["c"]),
        (chord_of([A], group_of([B, C])), ["b", "c"]),
        (task("d", task_id="d", chain=[A, B]), ["d", "a", "b"]),
    ],
)
def test_who_will_never_run(signature: Any, expected: list[str]) -> None:
    assert ids(signature) == expected


def test_who_will_never_run_and_is_waited_for() -> None:
    member = task("m", task_id="m", group_id="g", group_index=3, chord=BODY)
    assert list(following.endings(chain_of([A, member]))) == [
        Ending("a", None, None, None),
        Ending("m", "g", 3, BODY),
    ]


def test_errbacks_of_what_never_ran_are_each_called_once() -> None:
    e, f = task("e"), task("f")
    assert following.errbacks_of(task("x", link_error=[e, e, f])) == [e, f]
    assert following.errbacks_of(chain_of([task("x", link_error=[e]), task("y", link_error=[f])])) == [e]
    assert following.errbacks_of(chord_of([A], task("x", link_error=e))) == [e]
    body = group_of([task("x", task_id="x", link_error=[e]), task("y", task_id="y")], {"link_error": [e, f]})
    assert following.reporters(body) == [("x", [e, f]), ("y", [e, f])]
    assert following.reporters(chain_of([A, B])) == [("b", [])]


def arrived(*states: str) -> tuple[bytes, ...]:
    return tuple(parts.encode(Part("g", f"t{n}", n, state, n)) for n, state in enumerate(states))


def test_the_values_of_a_join_are_arranged_as_its_header() -> None:
    flat = Joined("g", arrived("SUCCESS", "SUCCESS", "SUCCESS"))
    assert following.values(parts.arrange(flat)) == [0, 1, 2]
    shape = [["g", None], [[["t2", None], None], [["h", None], [[["t0", None], None], [["t1", None], None]]]]]
    nested = Joined("g", flat.parts, parts.encode_shape(shape))
    assert following.values(parts.arrange(nested)) == [2, [0, 1]]


def test_the_first_failed_part_is_to_blame() -> None:
    found = parts.arrange(Joined("g", arrived("SUCCESS", "REVOKED", "FAILURE")))
    assert following.culprit(found) == Arrived("t1", "REVOKED", 1)
    assert following.failures(found) == 2
    assert following.culprit(parts.arrange(Joined("g", arrived("SUCCESS")))) is None


# In core.settle -------------------------------------------------------------------------------------------------------

AFTER = After(records=[Record("FAILURE", task_id="tail")], steps=[Closing("g")])
LOST = Lost(Record("FAILURE"), Loss(0.0, "n"), started=True, after=AFTER)


@pytest.mark.parametrize(
    ("outcome", "policy", "losses", "final"),
    [
        (Success(Record("SUCCESS"), (), AFTER), Policy(), 0, True),
        (Success(Record("SUCCESS"), (), AFTER), Policy(store_result=False), 0, True),
        (Failure(Record("FAILURE"), "no", after=AFTER), Policy(), 0, True),
        (Failure(Record("FAILURE"), "no", kind="timeout", after=AFTER), Policy(acks_on_timeout=False), 0, False),
        (Failure(Record("FAILURE"), "no", kind="timeout", after=AFTER), Policy(acks_on_timeout=False), 4, True),
        (Rejected(False, after=AFTER), Policy(), 0, True),
        (Rejected(True, after=AFTER), Policy(), 0, False),
        (LOST, Policy(), 0, False),
        (LOST, Policy(), 4, True),
        (LOST, Policy(reject_on_worker_lost=False), 0, True),
    ],
)
def test_what_follows_an_end_follows_only_an_end(outcome: Any, policy: Policy, losses: int, final: bool) -> None:
    decision = settle(outcome, policy, losses)
    assert is_final(decision) is final
    assert isinstance(decision.disposition, Ack | Bury if final else Release)
    assert (decision.records, decision.steps) == (((AFTER.records[0],), (Closing("g"),)) if final else ((), ()))
    assert outcome.after is AFTER, "the outcome is left as it was"
