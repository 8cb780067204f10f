"""The worker's parts alone: the board, soft limits, read-ahead, the intake, and verdicts on the dead."""

import asyncio
import os
import signal
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from umbel import Umbel
from umbel.core.delivery import (
    GONE,
    Ack,
    Adopted,
    Bury,
    ConsumerId,
    Delivery,
    Park,
    Refused,
    Release,
    Settlement,
    Ticket,
    Turn,
)
from umbel.core.errors import OperationalError, SoftTimeLimitExceeded
from umbel.core.message import Headers, Message, Properties
from umbel.runtime.aside import Aside
from umbel.runtime.clock import SYSTEM
from umbel.runtime.folder import folder_for_life
from umbel.worker.board import Board, Slot
from umbel.worker.bodies import Bodies
from umbel.worker.hand import Finished, Hand, Held
from umbel.worker.intake import Intake
from umbel.worker.limits import SoftLimit
from umbel.worker.options import WorkerOptions
from umbel.worker.plan import make_plan
from umbel.worker.process import Process
from umbel.worker.readahead import MOST_HELD, ReadAhead
from umbel.worker.rescuer import Death, Rescuer
from umbel.worker.seat import Killing
from umbel.worker.verdicts import Verdicts

ME = ConsumerId("me")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    board = Board(tmp_path / "board", create_width=1)
    yield board
    board.close()


def start(board: Board, serial: int, *, name: str = "task") -> None:
    board.start(0, 1, serial, 5.0, 1.0, 2.0, name.encode()[:200], b"id")


# The board ------------------------------------------------------------------------------------------------------------


def test_a_slot_is_read_as_it_was_written(board: Board) -> None:
    start(board, 7)
    assert board.slot(0) == Slot(False, True, 1, 7, 7, 5.0, 1.0, 2.0, "task", "id")
    board.end(0)
    start(board, 3)
    assert (board.slot(0).serial, board.slot(0).highest) == (3, 7)
    board.end(0)
    assert not board.slot(0).running


def test_a_slot_that_was_being_written_is_torn(board: Board) -> None:
    start(board, 7)
    struct.pack_into("<Q", board._map, 128, 3)  # an odd sequence number: died in the middle of the next start
    slot = board.slot(0)
    assert slot.torn
    death = Death(1, 9, None, [slot], False, None)
    assert death.ran(adopted(12, rank=0))
    assert not death.ran(adopted(13, rank=1)), "only what stood first in line can have been starting"


def test_names_are_cut_between_bytes_and_still_read(board: Board) -> None:
    start(board, 1, name="ж" * 150)
    assert board.slot(0).name.startswith("ж" * 99)


def test_the_last_two_that_may_not_run_again_are_known(board: Board) -> None:
    assert board.begun() == frozenset()
    for serial in (4, 5, 9):
        board.early(serial)
    assert board.begun() == {5, 9}


# Verdicts on the dead -------------------------------------------------------------------------------------------------


def message(task: str = "t", **headers: Any) -> Message:
    return Message(Headers(id="id", task=task, **headers), Properties(), b"[[],{},{}]", "application/json", "utf-8")


def adopted(serial: int, *, rank: int = 0, begun: bool = False, task: str = "late") -> Adopted:
    delivery = Delivery(Ticket(ConsumerId("rescuer"), 1, 100 + serial), "q", message(task))
    return Adopted(delivery, ME, serial, rank, 1, begun, False, "node", 1)


def slot(serial: int, *, running: bool) -> Slot:
    return Slot(False, running, 1, serial, serial, 0.0, 0.0, 1.0, "t", "id")


class Away:
    """A keeper and a consumer in one, whose broker goes away between adoption and settlement."""

    def __init__(self, *claims: Adopted, failures: int = 0, lost: bool = False) -> None:
        self.claims = list(claims)
        self.lost = lost
        self.failures = failures
        self.settled: list[Settlement] = []
        self.held: list[Ticket] = []

    async def adopt(self, dead: Any, limit: int) -> list[Adopted]:
        found, self.claims = self.claims, []
        return found

    async def open(self, *, lease: float, width: int, holding: Any) -> frozenset[Ticket]:
        self.held = list(holding)
        self.lost = False
        return frozenset(self.held)

    async def exchange(self, settlements: list[Settlement], want: Any) -> Turn:
        if self.failures:
            self.failures -= 1
            raise OperationalError("away")
        if self.lost:
            return Turn([GONE] * len(settlements), [], lost=True)
        self.settled += settlements
        return Turn([GONE] * len(settlements), [])


@pytest.fixture
def app() -> Iterator[Umbel]:
    app = Umbel("parts", broker="memory://", backend="memory://", set_as_current=False)
    app.task(name="late")(lambda: None)
    app.task(name="early", acks_late=False)(lambda: None)
    yield app
    app.close()


def rescuer(app: Umbel, away: Any) -> Rescuer:
    return Rescuer(app, make_plan(app, WorkerOptions()), away, away, Aside())


def settle(app: Umbel, death: Death, *claims: Adopted) -> list[Any]:
    away = Away(*claims)
    asyncio.run(rescuer(app, away).settle_for(ME, death))
    return [type(settlement.disposition) for settlement in away.settled]


def test_what_ended_and_was_not_settled_runs_again_only_if_it_may(app: Umbel) -> None:
    claims = [adopted(4, begun=True, task="early"), adopted(5, rank=1), adopted(6, rank=2, begun=True, task="early")]
    death = Death(1, signal.SIGKILL, None, [slot(5, running=False)], False, None, frozenset({4}))
    assert settle(app, death, *claims) == [Bury, Release, Release]


def test_a_bystander_of_a_limit_kill_that_ended_does_not_run_again(app: Umbel) -> None:
    running = slot(5, running=True)
    death = Death(1, 9, None, [running], False, Killing("hard", running), frozenset({4}))
    claims = [adopted(4, begun=True, task="early"), adopted(5, rank=1), adopted(6, rank=2)]
    assert settle(app, death, *claims) == [Bury, Bury, Release]


@pytest.mark.parametrize(("number", "code", "counted"), [(11, None, True), (None, 1, True), (9, None, False)])
def test_who_breaks_of_itself_is_held_to_what_it_ran_last(
    app: Umbel, number: int | None, code: int | None, counted: bool
) -> None:
    away = Away(adopted(5))
    asyncio.run(rescuer(app, away).settle_for(ME, Death(1, number, code, [slot(5, running=False)], False, None)))
    (settlement,) = away.settled
    assert isinstance(settlement.disposition, Release)
    assert (settlement.disposition.loss is not None) == counted


@pytest.mark.parametrize("how", [{"failures": 1}, {"lost": True}], ids=["the broker goes away", "the lease lapses"])
def test_a_verdict_outlives_what_happens_before_it_is_settled(app: Umbel, how: dict[str, Any]) -> None:
    claim = adopted(4, begun=True, task="early")
    away = Away(claim, **how)
    death = Death(1, 9, None, [slot(4, running=True)], False, None)

    async def twice() -> None:
        judge = rescuer(app, away)
        with pytest.raises(OperationalError):
            await judge.settle_for(ME, death)
        await judge.reopen()
        assert away.held == [claim.delivery.ticket], "or the broker would put it back into its queue"
        await judge.settle_for(ME, death)

    asyncio.run(twice())
    assert [type(settlement.disposition) for settlement in away.settled] == [Bury]


# Soft limits ----------------------------------------------------------------------------------------------------------


def test_the_users_own_handler_and_timer_come_back() -> None:
    limit, rang = SoftLimit(), threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: rang.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(SoftTimeLimitExceeded):
            limit.call(threading.Event().wait, (30,), {}, 0.01)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.3
        assert limit.call(lambda: "done", (), {}, 10) == "done"
        assert rang.wait(10)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_alarm_outside_a_call_raises_nothing() -> None:
    limit = SoftLimit()
    assert limit.call(lambda: 1, (), {}, 10) == 1
    limit._expired(signal.SIGALRM, None)


def test_a_coroutine_is_interrupted_where_it_awaits_and_may_go_on() -> None:
    limit = SoftLimit()

    async def task() -> str:
        try:
            await asyncio.sleep(30)
        except SoftTimeLimitExceeded:
            await asyncio.sleep(0.01)
            return "caught"
        return "never"

    try:
        for _ in range(3):
            assert limit.call(lambda: limit.run(task()), (), {}, 0.02) == "caught"
        with pytest.raises(SoftTimeLimitExceeded):
            limit.call(lambda: limit.run(asyncio.sleep(30)), (), {}, 0.02)
        assert limit.run(asyncio.sleep(0, "next")) == "next"
    finally:
        limit.close()


def test_a_coroutine_that_does_not_await_is_interrupted_too() -> None:
    limit = SoftLimit()

    async def task() -> None:
        while True:
            pass

    try:
        with pytest.raises(SoftTimeLimitExceeded):
            limit.call(lambda: limit.run(task()), (), {}, 0.02)
    finally:
        limit.close()


# Read-ahead and intake ------------------------------------------------------------------------------------------------


def test_read_ahead_holds_twenty_milliseconds_of_work() -> None:
    ahead = ReadAhead(None)
    assert ahead.room(0, 1, 0.0) == 1, "nothing is known yet"
    for _ in range(100):
        ahead.ran("quick", 0.00001)
    assert ahead.allowance(1) == MOST_HELD
    assert ahead.room(MOST_HELD, 1, 0.0) == 0
    assert ahead.room(0, 0, 0.2) == 0, "behind a long task nothing waits"
    for _ in range(100):
        ahead.ran("slow", 0.5)
    assert ahead.allowance(1) == 1
    assert ReadAhead(3).allowance(1) == 1


def test_outcomes_gather_between_minute_and_long_tasks() -> None:
    ahead = ReadAhead(None)
    for name, seconds in (("minute", 0.00001), ("quick", 0.001), ("long", 0.01)):
        ahead.ran(name, seconds)
    assert [ahead.gathers(name) for name in ("minute", "quick", "long", "unknown")] == [False, True, False, False]


@pytest.fixture
def intake(app: Umbel, board: Board) -> Intake:
    return Intake(app, Hand(SYSTEM, board), ReadAhead(None), None, node="n")  # type: ignore[arg-type]


def test_a_recall_ends_only_when_what_was_taken_runs_or_is_back(intake: Intake, board: Board) -> None:
    """Between ``take`` and the look at the flag the lane holds a message that the supervisor may have taken back."""
    held = Held(Delivery(Ticket(ME, 1, 1), "q", message()), None, False)
    intake.tickets[held.ticket] = held
    (place,) = intake.hand.places
    place.held = held
    assert not intake.only_runs()
    place.since = 1.0
    assert intake.only_runs()


def test_what_is_not_due_passes_quickly_and_no_more_is_kept_than_before(app: Umbel, intake: Intake) -> None:
    app.task(lambda: None, name="later")
    serials = iter(range(1, 10_000))

    def claimed(count: int, eta: str | None) -> list[Delivery]:
        found = [Delivery(Ticket(ME, 1, next(serials)), "q", message("later")) for _ in range(count)]
        for delivery in found:
            assert delivery.message is not None
            delivery.message.headers.eta = eta
        return found

    rooms = []
    for _ in range(6):
        rooms.append(intake.room())
        asyncio.run(intake.sort(claimed(rooms[-1], "2999-01-01T00:00:00+00:00")))
    assert rooms == [1, 4, 16, 64, 256, 256], "of an unknown task one is kept, but many are looked at"
    assert {type(one.settlement.disposition) for one in intake.out} == {Park}
    intake.out.clear()
    ready = claimed(intake.room(), None)
    asyncio.run(intake.sort(ready))
    assert [held.delivery for held in intake.hand.unstarted] == ready[:1]
    assert [one.settlement for one in intake.out] == [
        Settlement(delivery.ticket, Release(front=True)) for delivery in ready[1:]
    ]
    intake.hand.unstarted.clear()
    assert intake.room() == 1


def test_a_message_with_a_loss_runs_alone(intake: Intake) -> None:
    delivery = Delivery(Ticket(ME, 1, 1), "q", message("late"))
    delivery.losses = 1
    others = [Delivery(Ticket(ME, 1, serial), "q", message("late")) for serial in (2, 3)]
    asyncio.run(intake.sort([delivery, *others]))
    assert [held.ticket.serial for held in intake.hand.unstarted] == [1]
    assert [type(one.settlement.disposition) for one in intake.out] == [Release, Release]
    assert intake.room() == 0


def test_a_message_that_breaks_whoever_looks_is_shown_to_the_lane_as_unreadable(intake: Intake) -> None:
    broken = Delivery(Ticket(ME, 1, 1), "q", message(["no", "name"]))  # type: ignore[arg-type]
    asyncio.run(intake.sort([broken]))
    (held,) = intake.hand.unstarted
    assert held.delivery.message is None
    assert held.delivery.undecodable is not None


# A process ------------------------------------------------------------------------------------------------------------


def test_a_stop_before_the_loop_runs_is_heeded(app: Umbel, board: Board) -> None:
    process = Process(app, make_plan(app, WorkerOptions()), ConsumerId("early"), board)
    process.io.stop()
    process.io.orphaned()
    runner = threading.Thread(target=process.run, daemon=True)
    runner.start()
    runner.join(10)
    assert not runner.is_alive()
    assert board.is_stopping()
    process.io.stop()  # and after its end it is not an error


def test_a_lapsed_lease_hands_back_and_runs_nothing(app: Umbel, board: Board) -> None:
    process = Process(app, make_plan(app, WorkerOptions()), ConsumerId("late"), board)
    hand = process.hand
    hand.lease_end = SYSTEM.monotonic() - 1
    hand.put([Held(Delivery(Ticket(ME, 1, 1), "q", message("late")), None, False)])
    lane = threading.Thread(target=process.lane.run)
    lane.start()
    while not hand.finished:
        hand.flush()
    hand.close()
    lane.join(10)
    assert [type(one.settlement.disposition) for one in hand.finished] == [Release]


def test_an_io_thread_that_breaks_takes_its_process_along(app: Umbel, board: Board) -> None:
    process = Process(app, make_plan(app, WorkerOptions()), ConsumerId("broken"), board)

    async def broken() -> None:
        raise RuntimeError("a bug")

    process.io._turns = broken  # type: ignore[method-assign]
    pid = os.fork()
    if pid == 0:
        process.run()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


def test_what_is_refused_twice_is_let_go(app: Umbel, board: Board) -> None:
    intake = Intake(app, Hand(SYSTEM, board), ReadAhead(None), None, node="n")  # type: ignore[arg-type]
    verdicts = Verdicts(app, intake, Bodies(app, intake.hand))
    held = Held(Delivery(Ticket(ME, 1, 1), "q", message("late")), None, False)
    intake.tickets[held.ticket] = held
    refused = Refused(ValueError("no"))
    again = verdicts.tell(Finished(held, Settlement(held.ticket, Ack(), (), (object(),))), refused)
    assert again is not None
    assert verdicts.tell(again, refused) is None
    assert not intake.tickets


# Folders --------------------------------------------------------------------------------------------------------------


def test_a_folder_lives_as_long_as_its_owner(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        folder = folder_for_life(tmp_path)
        folder.__enter__()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    (dead,) = tmp_path.iterdir()
    with folder_for_life(tmp_path) as first:
        assert not dead.exists()
        with folder_for_life(tmp_path):
            assert first.exists(), "its owner lives"
    assert list(tmp_path.iterdir()) == []
