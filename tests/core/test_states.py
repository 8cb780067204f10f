"""One table says what may be stored after what."""

import itertools

import pytest

from umbel.core import states


def test_the_sets_are_celerys() -> None:
    assert {"SUCCESS", "FAILURE", "REVOKED"} == states.READY_STATES
    assert {"PENDING", "RECEIVED", "STARTED", "REJECTED", "RETRY"} == states.UNREADY_STATES
    assert {"RETRY", "FAILURE", "REVOKED"} == states.EXCEPTION_STATES
    assert {"FAILURE", "REVOKED"} == states.PROPAGATE_STATES


def test_the_stronger_of_two_reports_is_believed() -> None:
    order = ["SUCCESS", "FAILURE", "PROGRESS", "REVOKED", "STARTED", "RECEIVED", "REJECTED", "RETRY", "PENDING"]
    assert sorted(sorted(order), key=states.precedence) == order
    assert states.precedence("ANYTHING") == states.precedence("PROGRESS") == states.precedence(None)


@pytest.mark.parametrize("new", sorted(states.ALL_STATES | {"PROGRESS"}))
def test_nothing_follows_success(new: str) -> None:
    assert not states.may_follow("SUCCESS", new)


def test_nothing_goes_back_to_pending() -> None:
    assert not any(states.may_follow(old, "PENDING") for old in states.ALL_STATES | {"PROGRESS"})


def test_every_task_can_still_end_unless_it_succeeded() -> None:
    unfinished = (states.ALL_STATES | {"PROGRESS"}) - {"SUCCESS"}
    assert all(states.may_follow(old, end) for old, end in itertools.product(unfinished, states.READY_STATES))


def test_the_table_has_a_row_for_every_state() -> None:
    assert states.TRANSITIONS.keys() >= states.ALL_STATES
    assert len(states.TRANSITIONS) == len(states.ALL_STATES) + 1
