"""What the settings of workers do: each value changes how a worker claims, runs, or ends."""

import asyncio
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.worker.fleet import Farm, until
from umbel import Umbel
from umbel.core import states
from umbel.core.delivery import Ack, ConsumerId, Delivery, Ticket
from umbel.core.errors import BackendGetMetaError, ImproperlyConfigured
from umbel.core.message import Headers, Message, Properties
from umbel.core.record import Record
from umbel.runtime.clock import SYSTEM
from umbel.runtime.eventloop import new_loop
from umbel.worker.board import Board
from umbel.worker.hand import Hand
from umbel.worker.intake import Intake
from umbel.worker.log import formatters, log_setup
from umbel.worker.options import WorkerOptions
from umbel.worker.plan import make_plan
from umbel.worker.readahead import ReadAhead


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Umbel]:
    with Umbel("settings", broker=f"sqlite:///{tmp_path / 'db'}", set_as_current=False) as app:
        app.task(lambda: 1, name="late", acks_late=True)
        app.task(lambda: 1, name="early", acks_late=False)
        app.task(lambda: 1, name="limited", acks_late=True, rate_limit="1/h")
        yield app


# The plan -------------------------------------------------------------------------------------------------------------


def test_the_plan_follows_the_settings(app: Umbel) -> None:
    app.conf.update(worker_concurrency=3, worker_pool="prefork", worker_lease=7, worker_stuck_timeout=8)
    app.conf.update(worker_shutdown_timeout=9, worker_soft_shutdown_timeout=10, worker_prefetch_multiplier=2)
    plan = make_plan(app, WorkerOptions())
    assert (plan.processes, plan.pool, plan.lease, plan.stuck_timeout) == (3, "prefork", 7, 8)
    assert (plan.shutdown_timeout, plan.soft_shutdown_timeout, plan.cap) == (9, 10, 2)
    app.conf.update(worker_pool="solo", worker_pool_start_method="spawn")
    assert make_plan(app, WorkerOptions()).start_method == "spawn"
    assert make_plan(app, WorkerOptions()).pool == "solo"
    assert make_plan(app, WorkerOptions()).processes == 1


@pytest.mark.parametrize("kind", ["uvloop", "asyncio", "auto"])
def test_coroutines_run_on_the_loop_that_the_setting_names(app: Umbel, kind: Any) -> None:
    app.conf.update(worker_event_loop=kind, worker_pool="asyncio")
    loop = new_loop(make_plan(app, WorkerOptions()).event_loop)
    loop.close()
    assert type(loop).__module__.startswith("uvloop" if kind != "asyncio" else "asyncio")


def test_a_loop_whose_library_is_missing_names_the_extra(app: Umbel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    app.conf.update(worker_pool="asyncio")
    loop = new_loop(make_plan(app, WorkerOptions()).event_loop)
    loop.close()
    assert type(loop).__module__.startswith("asyncio")
    app.conf.update(worker_event_loop="uvloop")
    with pytest.raises(ImproperlyConfigured, match=r"pip install 'umbel\[fast\]'"):
        make_plan(app, WorkerOptions())


def test_processes_are_replaced_as_the_settings_say(app: Umbel) -> None:
    app.conf.update(worker_max_tasks_per_child=5, worker_max_memory_per_child=90_000)
    plan = make_plan(app, WorkerOptions())
    assert (plan.max_tasks, plan.max_memory) == (5, 90_000)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "many"])
def test_a_concurrency_that_cannot_be(app: Umbel, wrong: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"worker_concurrency = .*: expected a whole number, 1 or more"):
        app.conf.worker_concurrency = wrong


def test_limits_of_the_worker_that_contradict(app: Umbel) -> None:
    app.conf.update(task_time_limit=5, task_soft_time_limit=6)
    with pytest.raises(ImproperlyConfigured, match=r"soft time limit \(6 s\) is more than the hard one \(5 s\)"):
        make_plan(app, WorkerOptions())
    make_plan(app, WorkerOptions(soft_time_limit=4))
    with pytest.raises(ImproperlyConfigured, match=r"soft time limit \(9 s\)"):
        make_plan(app, WorkerOptions(soft_time_limit=9, time_limit=8))


def test_a_task_whose_limit_contradicts_the_workers_is_told(app: Umbel, caplog: pytest.LogCaptureFixture) -> None:
    app.task(lambda: 1, name="slow", soft_time_limit=60)
    app.conf.task_time_limit = 5
    make_plan(app, WorkerOptions())
    assert "Task slow has a soft time limit of 60 s and a hard one of 5 s" in caplog.text


# Claiming -------------------------------------------------------------------------------------------------------------


def test_without_prefetch_a_message_is_claimed_for_a_free_slot_only(app: Umbel) -> None:
    app.conf.worker_disable_prefetch = True
    ahead = ReadAhead(make_plan(app, WorkerOptions()).cap)
    for _ in range(100):
        ahead.ran("quick", 0.00001)
    assert ahead.room(0, 1, 0.0) == 1
    assert ahead.room(0, 0, 0.0) == 0
    assert ahead.room(1, 1, 0.0) == 0
    wide = ReadAhead(0, 4)
    assert [wide.room(0, free, 0.0) for free in (4, 3, 0)] == [4, 3, 0]


def message(name: str) -> Message:
    return Message(Headers(name, "one"), Properties("one"), b"[[],{},{}]")


@pytest.fixture
def sorted_by(app: Umbel, tmp_path: Path) -> Iterator[Callable[..., Intake]]:
    """An intake that has sorted one delivery."""
    board = Board(tmp_path / "board", create_width=1)

    def sort(name: str, *, again: bool = False) -> Intake:
        intake = Intake(app, Hand(SYSTEM, board), ReadAhead(None), None, node="n")  # type: ignore[arg-type]
        delivery = Delivery(Ticket(ConsumerId("me"), 1, 1), "q", message(name))
        delivery.redelivered = again
        asyncio.run(intake.sort([delivery]))
        return intake

    yield sort
    board.close()


def test_rate_limits_are_ignored_where_that_is_wanted(app: Umbel, sorted_by: Callable[..., Intake]) -> None:
    app.conf.worker_disable_rate_limits = True
    assert len(sorted_by("limited").hand.unstarted) == 1
    app.conf.worker_disable_rate_limits = False
    with pytest.raises(AttributeError):
        sorted_by("limited")  # it asks for a start time, of nobody here


def test_the_default_rate_limit_holds_for_tasks_without_one(app: Umbel, sorted_by: Callable[..., Intake]) -> None:
    assert len(sorted_by("late").hand.unstarted) == 1
    app.conf.task_default_rate_limit = "1/h"
    with pytest.raises(AttributeError):
        sorted_by("late")


@pytest.mark.parametrize(("scope", "key"), [("cluster", "limited"), ("worker", "n:limited")])
def test_rate_limits_are_counted_for_all_workers_or_for_each(app: Umbel, tmp_path: Path, scope: str, key: str) -> None:
    asked: list[str] = []

    class Limits:
        async def slots(self, name: str, interval: float, count: int) -> list[float]:
            asked.append(name)
            return [0.0] * count

    app.conf.worker_rate_limit_scope = scope
    board = Board(tmp_path / "board", create_width=1)
    intake = Intake(app, Hand(SYSTEM, board), ReadAhead(None), Limits(), node="n")
    asyncio.run(intake.sort([Delivery(Ticket(ConsumerId("me"), 1, 1), "q", message("limited"))]))
    board.close()
    assert asked == [key]


def succeed(app: Umbel) -> None:
    assert app.store is not None
    app.store.sync.write([Record(states.SUCCESS, 1, task_id="one")])


def test_what_has_succeeded_is_not_run_again_where_that_is_wanted(app: Umbel, sorted_by: Callable[..., Intake]) -> None:
    app.conf.worker_deduplicate_successful_tasks = True
    assert len(sorted_by("late", again=True).hand.unstarted) == 1, "it has not succeeded"
    succeed(app)
    intake = sorted_by("late", again=True)
    assert not intake.hand.unstarted
    assert [one.settlement.disposition for one in intake.out] == [Ack()]
    assert len(sorted_by("late").hand.unstarted) == 1, "it is delivered for the first time"
    app.conf.worker_deduplicate_successful_tasks = False
    assert len(sorted_by("late", again=True).hand.unstarted) == 1


def test_a_store_that_cannot_tell_lets_it_run(
    app: Umbel, sorted_by: Callable[..., Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(ids: object, *, sure: bool) -> dict[str, Record]:
        raise BackendGetMetaError("away")

    app.conf.worker_deduplicate_successful_tasks = True
    monkeypatch.setattr(app.store, "read", away)
    assert len(sorted_by("late", again=True).hand.unstarted) == 1


def test_what_is_lost_while_the_store_is_asked_is_not_run(
    app: Umbel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def long(ids: object, *, sure: bool) -> dict[str, Record]:
        intake.keep_only(frozenset({Ticket(ConsumerId("me"), 1, 2)}))
        return {}

    app.conf.worker_deduplicate_successful_tasks = True
    board = Board(tmp_path / "board", create_width=1)
    intake = Intake(app, Hand(SYSTEM, board), ReadAhead(None), None, node="n")  # type: ignore[arg-type]
    monkeypatch.setattr(app.store, "read", long)
    deliveries = [Delivery(Ticket(ConsumerId("me"), 1, serial), "q", message("late")) for serial in (1, 2)]
    for delivery in deliveries:
        delivery.redelivered = True
    asyncio.run(intake.sort(deliveries))
    board.close()
    assert [held.ticket.serial for held in intake.hand.unstarted] == [2]


# Logging --------------------------------------------------------------------------------------------------------------


def lines(app: Umbel) -> list[str]:
    """A line as all loggers write it, and as those of tasks do."""
    record = logging.LogRecord("x", logging.WARNING, "", 0, "text", (), None)
    record.created = 0.0
    return [formatter.format(record) for formatter in formatters(log_setup(app, "n@h", loglevel="INFO"))]


def test_log_lines_have_the_formats_of_the_settings(app: Umbel) -> None:
    app.conf.update(worker_log_format="all %(asctime)s %(message)s", worker_log_datefmt="%Y")
    app.conf.update(worker_task_log_format="task %(asctime)s %(task_id)s", worker_task_log_datefmt="%m")
    assert lines(app) == ["all 1970 text", "task 01 ???"]


def test_what_logging_takes_over_is_what_the_settings_say(app: Umbel) -> None:
    before = log_setup(app, "n@h", loglevel=None)
    assert (before.hijack, before.redirect, before.color) == (True, "WARNING", None)
    app.conf.update(worker_hijack_root_logger=False, worker_redirect_stdouts_level="ERROR", worker_log_color=False)
    setup = log_setup(app, "n@h", loglevel=None)
    assert (setup.hijack, setup.redirect, setup.color) == (False, "ERROR", False)
    app.conf.worker_redirect_stdouts = False
    assert log_setup(app, "n@h", loglevel=None).redirect is None
    app.conf.worker_logfile = "w.log"
    assert make_plan(app, WorkerOptions()).log.logfile == "w.log"


# Real workers ---------------------------------------------------------------------------------------------------------


def test_a_direct_worker_reads_a_queue_of_its_own(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(worker_direct=True)
    farm.worker("-c", "1", "-n", "w1@here")
    assert farm.send("add", 1, 2, queue="w1@here.dq").get(timeout=20) == 3
    assert farm.send("add", 2, 2).get(timeout=20) == 4


@pytest.mark.parametrize("finishes", [True, False])
def test_a_soft_shutdown_gives_time_before_the_cold_one(farm_with: Callable[..., Farm], finishes: bool) -> None:
    farm = farm_with(worker_soft_shutdown_timeout=60 if finishes else 0.2)
    worker = farm.worker("-c", "1")
    result = farm.send("hold", "h", str(farm.gate()))
    farm.started("h")
    worker.signal(signal.SIGQUIT)
    until(lambda: "Soft shutdown (SIGQUIT)" in worker.text)
    if finishes:
        farm.gate().touch()
    assert worker.wait() == 1
    assert result.ready() == finishes
    assert farm.depth().ready == (0 if finishes else 1)


def test_a_second_signal_in_a_soft_shutdown_ends_it(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(worker_soft_shutdown_timeout=600)
    worker = farm.worker("-c", "1")
    farm.send("hold", "h", str(farm.gate()))
    farm.started("h")
    for said in ("Soft shutdown (SIGQUIT)", ""):
        worker.signal(signal.SIGQUIT)
        until(lambda said=said: said in worker.text)  # type: ignore[misc]
    assert worker.wait() == 1
    assert farm.depth().ready == 1


@pytest.fixture
def one_farm(tmp_path: Path) -> Iterator[Callable[..., Farm]]:
    """A farm on SQLite: for what has nothing to do with the broker."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Farm(tmp_path, **settings))


def test_the_pid_file_and_the_umask_are_those_of_the_settings(one_farm: Callable[..., Farm], tmp_path: Path) -> None:
    path = tmp_path / "%n.pid"
    worker = one_farm(worker_pidfile=str(path), worker_umask="077").worker("-c", "1", "-n", "w1@here")
    written = tmp_path / "w1.pid"
    assert int(written.read_text()) == worker.process.pid
    assert written.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"worker_uid": "nobody-at-all"}, "nobody-at-all"),
        ({"worker_gid": "no-group-at-all"}, "no-group-at-all"),
        ({"worker_executable": "/no/such/python", "worker_logfile": "w.log"}, "/no/such/python"),
    ],
)
def test_who_and_what_a_worker_cannot_be(one_farm: Callable[..., Farm], settings: dict[str, str], told: str) -> None:
    worker = one_farm(**settings).worker(*(["-D"] if "worker_executable" in settings else []), ready=False)
    assert worker.wait() != 0
    assert told in worker.text
    assert "Traceback" not in worker.text


def beat(farm: Farm, *words: str) -> "subprocess.Popen[str]":
    """``umbel beat`` of the farm's app."""
    line = [sys.executable, "-m", "umbel", "-A", "tests.worker.subjects", "beat", *words]
    return subprocess.Popen(
        line,
        env=farm.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def test_the_files_of_a_beat_are_those_of_the_settings(one_farm: Callable[..., Farm], tmp_path: Path) -> None:
    path, log = tmp_path / "beat.pid", tmp_path / "beat.log"
    farm = one_farm(beat_pidfile=str(path), beat_logfile=str(log), beat_umask="077")
    process = beat(farm, "-l", "INFO")
    try:
        until(lambda: log.exists() and path.exists() and path.read_text().strip() and log.read_text())
        assert int(path.read_text()) == process.pid
        assert [file.stat().st_mode & 0o077 for file in (path, log)] == [0, 0]
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"beat_uid": "nobody-at-all"}, "nobody-at-all"),
        ({"beat_gid": "no-group-at-all"}, "no-group-at-all"),
        ({"beat_executable": "/no/such/python", "beat_logfile": "b.log"}, "/no/such/python"),
    ],
)
def test_who_and_what_a_beat_cannot_be(one_farm: Callable[..., Farm], settings: dict[str, str], told: str) -> None:
    process = beat(one_farm(**settings), *(["--detach"] if "beat_executable" in settings else []))
    said = process.communicate(timeout=30)[0]
    assert process.returncode != 0
    assert told in said
    assert "Traceback" not in said
