"""Workflows in real workers: what follows a task follows, once, and whoever waits hears of every end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.fleet import Farm, until
from tests.worker.workflows import Sent, chain, chord, group, send, sig
from umbel.core.delivery import Revocation
from umbel.core.record import Record
from umbel.testing.broker_conformance import new_id


@pytest.fixture
def farm(request: pytest.FixtureRequest, farm_with: Callable[..., Farm]) -> Farm:
    """On one broker messages carry all that follows, on the other nothing of it."""
    return farm_with(task_max_rest=0 if request.node.callspec.params["farm_with"] == "redis" else None)


SHAPES: list[tuple[Any, Any]] = [
    (chain(sig("add", 1, 2), sig("add", 3), sig("add", 4)), 10),
    (chain(sig("add", 1, 2), sig("add", 3, 4, immutable=True)), 7),
    (chain(sig("add", 1, 2), group(sig("add", 10), sig("add", 20))), [13, 23]),
    (group(sig("add", 1, 1), group(sig("add", 2, 2), sig("add", 3, 3))), [2, 4, 6]),
    (chord([sig("add", n, n) for n in range(5)], sig("listed")), [[0, 2, 4, 6, 8]]),
    (chord([], sig("listed")), [[]]),
    (chain(group(sig("add", 1, 1), sig("add", 2, 2)), sig("listed"), sig("listed")), [[[2, 4]]]),
    (chain(sig("add", 1, 1), group(sig("add", 1), sig("add", 2)), sig("listed"), sig("listed", "x")), [[[3, 4]], "x"]),
    (
        chord([chain(sig("add", 1, 1), sig("add", 5)), sig("add", 0, 0)], chain(sig("listed"), sig("listed"))),
        [[[7, 0]]],
    ),
    (chord([chord([sig("add", 1, 1)], sig("listed")), sig("add", 0, 0)], sig("listed")), [[[[2]], 0]]),
    (
        chord(
            [sig("add", 1, 1), sig("add", 2, 2)],
            chord([sig("listed", "a"), sig("listed", "b")], chord([sig("listed"), sig("listed", 1)], sig("listed"))),
        ),
        [[[[[[2, 4], "a"], [[2, 4], "b"]]], [[[[2, 4], "a"], [[2, 4], "b"]], 1]]],
    ),
    (
        chord([chain(sig("add", 1, 1), group(sig("add", 1), sig("add", 2))), sig("add", 5, 5)], sig("listed")),
        [[[3, 4], 10]],
    ),
    (chord([sig("unstored", 1), sig("third_time", 2)], sig("listed")), [[1, 2]]),
    (chord([sig("add", 1, 1)], group(sig("listed", "a"), sig("listed", "b"))), [[[2], "a"], [[2], "b"]]),
]


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("most", [None, 0])
def test_every_shape_gives_what_it_would_give_in_python(
    farm_with: Callable[..., Farm], tmp_path: Any, elsewhere: bool, most: int | None
) -> None:
    store = {"backend": f"sqlite:///{tmp_path / 'elsewhere.db'}"} if elsewhere else {}
    farm = farm_with(task_max_rest=most, **store)
    sent = [send(farm, shape) for shape, _ in SHAPES]
    farm.worker("-c", "2")
    values = [one.value() for one in sent]
    assert values == [expected for _, expected in SHAPES]


def test_what_json_does_not_carry_is_carried_by_the_serializer_that_does(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(task_serializer="pickle", result_serializer="pickle", accept_content=["pickle", "json"])
    farm.worker("-c", "1")
    sent = send(farm, chord([sig("listed", 1j), sig("listed", (1, 2))], sig("listed", 2j)))
    assert sent.value() == [[[1j], [(1, 2)]], 2j]


def test_a_task_calls_a_chain_of_any_length(farm: Farm) -> None:
    farm.worker("-c", "1")
    sent = send(farm, sig("calls_a_chain", 600))
    last = sent.value()
    assert Sent(farm, [[last, None], None]).value() == 600
    record = sent.record()
    assert record is not None
    assert [one[0][0] for one in record.children or ()] == [last]


# Ends that are no success ---------------------------------------------------------------------------------------------


def chord_error(record: Any, dependency: str, cause: str) -> bool:
    said = record.result
    assert (said["exc_type"], said["exc_module"]) == ("ChordError", "celery.exceptions"), record
    text = said["exc_message"][0]
    return text.startswith(f"Dependency {dependency} raised ") and cause in text


def test_a_failing_member_fails_the_body_and_calls_its_errbacks_once(farm: Farm) -> None:
    errbacks = [sig("old_errback"), sig("new_errback"), sig("bound_errback")]
    header = [sig("add", 1, 1), sig("fail", "no luck", immutable=True, task_id="member"), sig("add", 2, 2)]
    sent = send(farm, chord(header, sig("noted", "body", link_error=errbacks)))
    farm.worker("-c", "2")
    record = sent.ended()
    assert record.status == "FAILURE"
    assert chord_error(record, "member", "ValueError('no luck')")
    until(lambda: len(farm.lines("errback")) >= 3, what="three errbacks")
    after = send(farm, sig("add", 1, 1))
    assert after.value() == 2
    assert sorted(line.words[1] for line in farm.lines("errback")) == ["bound", "new", "old"]
    assert farm.lines("errback", "old", sent.id)
    assert farm.lines("errback", "bound", sent.id, sent.id)
    assert farm.lines("errback", "new", sent.id, "ChordError")
    assert farm.lines("start", "body") == []


def test_errbacks_may_be_chains_groups_and_chords(farm: Farm) -> None:
    def ends(name: str) -> Any:
        return sig("noted", name)

    errbacks = [
        chain(sig("listed"), ends("chain")),
        group(ends("group"), ends("group")),
        chord([sig("listed"), sig("listed")], ends("chord")),
    ]
    send(farm, sig("fail", "no"), link_error=errbacks)
    farm.worker("-c", "1")
    until(lambda: all(farm.lines("start", name) for name in ("chain", "group", "chord")), what="all three")
    assert len(farm.lines("start", "group")) == 2


def test_a_failing_link_calls_its_errbacks_and_fails_the_rest_of_its_chain(farm: Farm) -> None:
    errbacks = [sig("old_errback"), sig("new_errback")]
    sent = send(farm, chain(sig("fail", "no", task_id="first"), sig("add", 1), sig("add", 2)), link_error=errbacks)
    farm.worker("-c", "1")
    record = sent.ended()
    assert (record.status, record.result["exc_type"]) == ("FAILURE", "ValueError")
    until(lambda: len(farm.lines("errback")) >= 2, what="two errbacks")
    assert farm.lines("errback", "old", "first")
    assert farm.lines("errback", "new", "first", "ValueError", "no")


def test_a_failing_link_in_a_header_fails_the_chord(farm: Farm) -> None:
    inner = chain(sig("fail", "no"), sig("add", 1), group(sig("add", 1), sig("add", 2)))
    sent = send(farm, chord([inner, sig("add", 1, 1)], chain(sig("listed"), group(sig("listed"), sig("listed")))))
    farm.worker("-c", "2")
    assert sent.members is not None
    for member in sent.members:
        record = Sent(farm, member).ended()
        assert (record.status, record.result["exc_type"]) == ("FAILURE", "ChordError")


def test_where_the_body_is_a_group_each_member_fails_with_the_cause(farm: Farm) -> None:
    body = group(sig("noted", "body", link_error=[sig("old_errback")]), sig("noted", "body"))
    sent = send(farm, chord([sig("fail", "no", immutable=True), sig("add", 1, 1)], body))
    farm.worker("-c", "1")
    assert sent.members is not None
    for member in sent.members:
        record = Sent(farm, member).ended()
        assert (record.status, record.result["exc_type"]) == ("FAILURE", "ValueError")
    until(lambda: farm.lines("errback", "old", sent.members[0][0][0]), what="the errback of the first")
    assert farm.lines("start", "body") == []


def test_the_failure_of_a_nested_chord_fails_the_one_around_it(farm: Farm) -> None:
    inner = chord([sig("fail", "no", immutable=True), sig("add", 1, 1)], sig("listed"))
    sent = send(farm, chord([inner, sig("add", 2, 2)], sig("noted", "body", link_error=[sig("old_errback")])))
    farm.worker("-c", "2")
    record = sent.ended()
    assert record.result["exc_type"] == "ChordError"
    until(lambda: farm.lines("errback", "old", sent.id), what="the errback")
    assert farm.lines("start", "body") == []


@pytest.mark.parametrize("task", ["ignored", "rejected"])
def test_a_member_that_stores_no_state_does_not_leave_its_chord_waiting(farm: Farm, task: str) -> None:
    header = [sig("add", 1, 1), chain(sig(task, immutable=True), sig("add", 1))]
    sent = send(farm, chord(header, sig("listed")))
    farm.worker("-c", "1")
    assert sent.ended().result["exc_type"] == "ChordError"


def test_a_revoked_member_fails_its_chord(farm: Farm) -> None:
    sent = send(farm, chord([sig("add", 1, 1), sig("add", 2, 2, task_id="never")], sig("listed")))
    asyncio.run(farm._app.connections.revoke([Revocation("never")]))
    farm.worker("-c", "1")
    assert chord_error(sent.ended(), "never", "TaskRevokedError")


def test_an_expired_member_fails_its_chord(farm: Farm) -> None:
    sent = send(farm, chord([sig("add", 1, 1), sig("add", 2, 2, task_id="late", expires=-1)], sig("listed")))
    farm.worker("-c", "1")
    assert chord_error(sent.ended(), "late", "TaskRevokedError")


def test_a_member_that_nobody_knows_fails_its_chord(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(task_unknown_grace=0.5)
    sent = send(farm, chord([sig("add", 1, 1), sig("nobody.knows", task_id="unknown")], sig("listed")))
    middle = send(farm, chain(sig("add", 1, 1), sig("nobody.knows", task_id="stranger"), sig("add", 1)))
    farm.worker("-c", "1")
    assert chord_error(sent.ended(), "unknown", "NotRegistered")
    for record in (middle.ended(), middle.record("stranger")):
        assert record is not None
        assert record.result["exc_type"] == "NotRegistered"
        assert "nobody.knows" in str(record.result["exc_message"])


def test_arguments_that_the_next_link_does_not_take_fail_the_task_that_calls_it(farm: Farm) -> None:
    sent = send(farm, chain(sig("add", 1, 1), sig("add", 1, 2), sig("add", 1)))
    farm.worker("-c", "1")
    record = sent.ended()
    assert (record.status, record.result["exc_type"]) == ("FAILURE", "TypeError")
    assert "tests.worker.subjects.add" in record.result["exc_message"][0]


def test_arguments_that_the_body_does_not_take_fail_the_body(farm: Farm) -> None:
    sent = send(farm, chord([sig("add", 1, 1)], sig("add", 1, 2)))
    farm.worker("-c", "1")
    record = sent.ended()
    assert record.result["exc_type"] == "ChordError"
    assert record.result["exc_message"][0].startswith("Callback error: TypeError(")


# Workers that die -----------------------------------------------------------------------------------------------------


def test_a_member_whose_process_died_counts_once(farm: Farm) -> None:
    mark = str(farm.folder / "died")
    sent = send(farm, chord([sig("dies_once", 1, mark), sig("add", 1, 1)], sig("listed")))
    farm.worker("-c", "2")
    assert sent.value() == [[1, 2]]
    assert len(farm.lines("start", "dies_once")) == 2


def test_a_member_that_is_lost_for_good_fails_its_chord(farm: Farm) -> None:
    header = [sig("dies_early", task_id="lost"), sig("add", 1, 1)]
    sent = send(farm, chord(header, sig("listed", link_error=[sig("old_errback"), sig("new_errback")])))
    farm.worker("-c", "2")
    assert chord_error(sent.ended(), "lost", "WorkerLostError")
    until(lambda: len(farm.lines("errback")) >= 2, what="two errbacks")


def test_a_member_over_its_hard_limit_fails_its_chord(farm: Farm) -> None:
    header = [sig("endless_sleep", task_id="slow", time_limit=0.3), sig("add", 1, 1)]
    sent = send(farm, chord(header, sig("listed")))
    farm.worker("-c", "2")
    assert chord_error(sent.ended(), "slow", "TimeLimitExceeded")


# Mended ---------------------------------------------------------------------------------------------------------------


async def revive_all(farm: Farm) -> int:
    broker = farm._app.broker
    keeper = broker.keeper(broker.consumer(new_id(), node="test", queues=()))
    try:
        return await keeper.revive([letter.id for letter in await keeper.dead()])
    finally:
        await keeper.close()


def test_a_failed_member_that_is_sent_again_has_its_body_run_after_all(farm: Farm) -> None:
    """Only what had not succeeded runs again: the member, the rest of its chain, and then the body."""
    cause = farm.gate("cause")
    header = [sig("noted", 1, "one"), chain(sig("wants", str(cause), 2), sig("add", 1)), sig("wants", str(cause), 4)]
    sent = send(farm, chord(header, sig("listed")))
    farm.worker("-c", "2")
    assert sent.ended().status == "FAILURE"
    cause.touch()
    assert asyncio.run(revive_all(farm)) == 2
    assert until(lambda: (sent.record() or Record("")).result == [[1, 3, 4]], what=f"the body; {farm.said()}")
    assert len(farm.lines("start", "one")) == 1
    assert len(farm.lines("start", "wants")) == 4


@pytest.mark.parametrize("lane", ["threads", "asyncio", "gevent", "eventlet", "solo"])
def test_every_lane_goes_on_with_workflows(farm: Farm, lane: str) -> None:
    """One more than one place, so that members end at the same time."""
    sent = [send(farm, shape) for shape, _ in SHAPES]
    failing = send(farm, chord([sig("fail", "no", immutable=True), sig("add", 1, 1)], sig("listed")))
    farm.worker("-P", lane, *(() if lane == "solo" else ("-c", "4")))
    assert [one.value() for one in sent] == [expected for _, expected in SHAPES]
    assert failing.ended().result["exc_type"] == "ChordError"
