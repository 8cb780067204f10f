"""The hand between two threads: nothing is lost or taken twice, nobody sleeps through a wake-up."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from umbel.core.delivery import GONE, Ack, ConsumerId, Delivery, Settlement, Ticket, Verdict
from umbel.runtime.clock import SYSTEM
from umbel.worker.board import Board
from umbel.worker.hand import GATHER, REST, REST_AGAIN, Finished, Hand, Held, Rest


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[Hand]:
    board = Board(tmp_path / "board", create_width=1)
    yield Hand(SYSTEM, board)
    board.close()


def held(serial: int) -> Held:
    ticket = Ticket(ConsumerId("c"), 1, serial)
    return Held(Delivery(ticket, "q", None), None, alone=False)


def test_every_message_is_taken_once_by_one_side(hand: Hand) -> None:
    taken: list[int] = []
    returned: list[int] = []

    def lane() -> None:
        while (one := hand.take()) is not None:
            taken.append(one.ticket.serial)

    thread = threading.Thread(target=lane)
    thread.start()
    for start in range(0, 20_000, 10):
        hand.put([held(serial) for serial in range(start, start + 10)])
        if start % 70 == 0 and (back := hand.take_back()) is not None:
            returned.append(back.ticket.serial)
    while hand.unstarted:
        hand.open_gate()
    hand.close()
    thread.join(10)
    assert not thread.is_alive()
    assert sorted(taken + returned) == list(range(20_000))
    assert taken == sorted(taken)


def test_nothing_starts_while_the_supervisor_takes_back(hand: Hand) -> None:
    hand.board.recall(on=True)
    hand.put([held(1)])
    taken = threading.Event()

    def take() -> None:
        hand.take()
        taken.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert not taken.wait(0.05)
    hand.board.recall(on=False)
    while not taken.wait(0.001):
        hand.open_gate()
    thread.join(10)


def test_who_waits_for_an_answer_gets_one_when_the_io_thread_ends(hand: Hand) -> None:
    answers: list[Verdict] = []
    one = held(1)
    hand.finish(Finished(one, Settlement(one.ticket, Ack()), last=False, answer=answers.append))
    hand.board.recall(on=True)
    hand.put([held(2)])
    hand.close()
    assert answers == [GONE]
    assert hand.take() is None, "also while it is recalled"


def test_the_lane_waits_until_the_io_thread_sleeps(hand: Hand) -> None:
    woken: list[bool] = []
    hand.wake_io = lambda: woken.append(True)
    assert hand.io_rests(rests=True)
    hand.flush_and_wait()
    assert woken == [], "it sleeps and there is nothing to settle"
    one = held(1)
    hand.finish(Finished(one, Settlement(one.ticket, Ack())))
    waiting = threading.Thread(target=hand.flush_and_wait)
    waiting.start()
    while not woken:
        pass
    hand.finished.clear()
    assert hand.io_rests(rests=True)
    waiting.join(10)
    assert not waiting.is_alive()
    hand.finish(Finished(one, Settlement(one.ticket, Ack())))
    assert not hand.io_rests(rests=True), "something has come: it may not sleep"


def test_a_broker_that_is_away_stops_the_lane_for_long_only_once(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, answers = list[float](), iter((False, False, True, True))

    def wait(rest: Rest, seconds: float) -> bool:
        waits.append(seconds)
        return next(answers)

    monkeypatch.setattr(Rest, "wait", wait)
    for _ in range(4):
        hand.flush_and_wait()
    assert waits == [REST, REST_AGAIN, REST_AGAIN, REST]


def test_who_waits_for_rest_hears_whether_there_is_any() -> None:
    rest = Rest()
    assert not rest.wait(0.001)
    rest.set()
    assert rest.wait(0.001)


def done(serial: int) -> Finished:
    return Finished(held(serial), Settlement(held(serial).ticket, Ack()))


def test_outcomes_gather_only_while_the_lane_goes_on_and_nobody_waits_for_one(hand: Hand) -> None:
    woken: list[bool] = []
    hand.wake_io = lambda: woken.append(True)
    hand.finish(done(1))
    assert not hand.io_gathers(), "the lane has nothing to go on with"
    hand.put([held(2), held(3)])
    assert hand.io_gathers()
    hand.flush_if_late(1.0)
    assert woken == [True], "the first one is late"
    assert hand.io_gathers()
    hand.flush_if_late(1.0 + GATHER / 2)
    assert woken == [True]
    hand.flush_if_late(1.0 + GATHER * 1.1)
    assert woken == [True, True]
    asked = done(2)
    asked.answer = lambda verdict: None
    hand.finish(asked)
    assert not hand.io_gathers(), "the lane waits for the answer, and may have called before anybody slept"
    assert not hand.io_idle


def test_a_slot_that_was_being_written_counts_as_torn(tmp_path: Path) -> None:
    board = Board(tmp_path / "b", create_width=1)
    board.start(0, 1, 7, 10.0, 0.0, 5.0, b"a.task", b"id")
    slot = Board(tmp_path / "b").slot(0)
    assert (slot.torn, slot.running, slot.serial, slot.hard, slot.name, slot.id) == (
        False,
        True,
        7,
        5.0,
        "a.task",
        "id",
    )
    board.end(0)
    assert not board.slot(0).running
    board._map[128:136] = (3).to_bytes(8, "little")
    assert board.slot(0).torn
