"""The scheduler by a clock that the test turns: what it sends, when it leads, what it follows."""

import asyncio
import gc
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.beat.conftest import START, Stage
from umbel import crontab, signals
from umbel.app.schedules import Schedules
from umbel.app.timetables import open_timetables
from umbel.beat import BeatOptions, Embedded, Scheduler, run
from umbel.core.delivery import Refused
from umbel.core.errors import ImproperlyConfigured, OperationalError
from umbel.core.schedule.catchup import at
from umbel.core.schedule.entry import LazyArgument
from umbel.core.timetable import Kept

Play = Callable[[Callable[[], Any]], None]


def every(seconds: float, **keys: Any) -> dict[str, Any]:
    return {"task": "stage.job", "schedule": seconds, **keys}


def test_three_entries_for_two_days(stage: Stage, play: Play) -> None:
    """Every six hours, daily at eight with keyword arguments, every thirty seconds: 8, 2 and 5,760 ticks."""
    app = stage.app(
        beat_schedule={
            "cleanup-every-6-hours": every(21600.0),
            "daily-report": every(0, schedule=crontab(hour=8, minute=0), kwargs={"kind": "daily"}),
            "check-every-30-seconds": every(30.0),
        },
        beat_max_loop_interval=60,
        beat_lease=1e9,
    )

    async def scene() -> None:
        async with stage.running(app):
            for _ in range(48 * 120):
                stage.clock.advance(30)
                await stage.settle(25)
            await stage.settle()
            found = await stage.sent(app)
            counts = {name: sum(one[0] == name for one in found) for name in app.schedules.configured()}
            assert counts == {"cleanup-every-6-hours": 8, "daily-report": 2, "check-every-30-seconds": 5760}
            assert {one[2]["kind"] for one in found if one[0] == "daily-report"} == {"daily"}
            assert {at(START + one[1]).hour for one in found if one[0] == "daily-report"} == {8}

    play(scene)


def test_an_interval_does_not_fire_at_the_start(stage: Stage, play: Play) -> None:
    app = stage.app(beat_schedule={"ten": every(10)})

    async def scene() -> None:
        async with stage.running(app):
            await stage.pass_by(9.5)
            assert await stage.sent(app) == []
            await stage.pass_by(1)
            assert await stage.sent(app) == [("ten", 10, {})]

    play(scene)


def test_a_second_beat_takes_over_where_the_first_one_died(stage: Stage, play: Play) -> None:
    entries = {"two": every(2)}
    first, second = stage.app(beat_schedule=entries), stage.app(beat_schedule=entries)

    async def scene() -> None:
        async with stage.running(first) as one, stage.running(second) as other:
            assert (one.leads, other.leads) == (True, False)
            await stage.pass_by(4)
            one.stop()
            await stage.pass_by(8)
            assert (one.leads, other.leads) == (False, True)
            assert [due for _, due, _ in await stage.sent(first)] == [2, 4, 6, 8, 10, 12]

    play(scene)


def test_after_a_death_nothing_is_later_than_the_lease_and_a_second(
    stage: Stage, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"beat_schedule": {"one": every(1)}, "beat_lease": 10}
    first, second = stage.app(**settings), stage.app(**settings)

    async def no_farewell(*_: Any) -> None: ...

    async def scene() -> None:
        async with stage.running(first) as one, stage.running(second) as other:
            await stage.pass_by(3)
            monkeypatch.setattr(one, "_leave", no_farewell)
            one.stop()  # as if killed: it does not resign
            await stage.settle()
            died = stage.clock.now() - START
            while not (found := await stage.sent(first)) or found[-1][1] <= died:
                await stage.pass_by(0.5)
                assert stage.clock.now() - START <= died + 10 + 1
            assert other.leads
            assert [due for _, due, _ in found if due > died] == list(range(4, round(stage.clock.now() - START) + 1))

    play(scene)


def test_what_came_due_while_no_beat_ran_is_caught_up_by_policy(stage: Stage, play: Play) -> None:
    cron = crontab(minute="*", timezone="UTC")
    keys: dict[str, dict[str, Any]] = {
        "skip": {},
        "once": {"catch_up": "once"},
        "all": {"catch_up": "all", "max_age": 200},
    }
    entries = {name: every(60, **given) for name, given in keys.items()} | {"cron": every(0, schedule=cron)}
    app = stage.app(beat_schedule=entries)

    async def scene() -> None:
        async with stage.running(app):
            await stage.pass_by(1)
        stage.clock.advance(1000)
        async with stage.running(app):
            await stage.pass_by(1)
            found = await stage.sent(app)
            assert [due for name, due, _ in found if name == "skip"] == []
            assert [due for name, due, _ in found if name == "once"] == [60]
            assert [due for name, due, _ in found if name == "all"] == [840, 900, 960]
            assert len([due for name, due, _ in found if name == "cron"]) == 1

    play(scene)


def test_a_running_beat_follows_what_is_set_paused_and_deleted(stage: Stage, play: Play) -> None:
    app = stage.app(beat_schedule={"fixed": every(6)})
    schedules: Schedules = app.schedules

    async def scene() -> None:
        async with stage.running(app):
            await schedules.aset("new", "stage.job", 2, kwargs={"n": 1})
            await stage.pass_by(4.5)
            assert await stage.sent(app) == [("new", 2, {"n": 1}), ("new", 4, {"n": 1})]
            await schedules.aset("new", "stage.job", 2, kwargs={"n": 1})  # the same again: it goes on as before
            await schedules.apause("fixed")
            await stage.pass_by(3)
            assert await stage.sent(app) == [("new", 6, {"n": 1})]
            await schedules.adelete("new")
            await stage.pass_by(10)
            assert await stage.sent(app) == []
            await schedules.aresume("fixed")
            await stage.pass_by(7)
            assert [name for name, _, _ in await stage.sent(app)] == ["fixed"]
            await schedules.apause("fixed")
        async with stage.running(app):
            await stage.pass_by(20)
            assert await stage.sent(app) == []

    play(scene)


def test_max_runs_end_and_clocked_end(stage: Stage, play: Play) -> None:
    app = stage.app(
        beat_schedule={
            "thrice": every(1, max_runs=3),
            "until": every(1, end=at(START + 2)),
            "once": every(0, schedule=at(START + 4)),
        }
    )

    async def scene() -> None:
        async with stage.running(app):
            await stage.pass_by(10)
        async with stage.running(app):
            await stage.pass_by(10)
            found = [(name, due) for name, due, _ in await stage.sent(app)]
            ends = [("until", 1), ("until", 2), ("once", 4)]
            assert sorted(found) == sorted([("thrice", 1), ("thrice", 2), ("thrice", 3), *ends])

    play(scene)


def test_user_code_that_blocks_delays_no_other_entry(stage: Stage, play: Play) -> None:
    gate, entered = threading.Event(), threading.Event()

    def stuck() -> str:
        entered.set()
        gate.wait(20)
        return "late"

    app = stage.app(beat_schedule={"stuck": every(1, kwargs={"n": LazyArgument(stuck)}), "free": every(1)})

    async def scene() -> None:
        async with stage.running(app):
            await stage.pass_by(3)
            assert await asyncio.to_thread(entered.wait, 10)
            assert {name for name, _, _ in await stage.sent(app)} == {"free"}
            gate.set()
            for _ in range(1000):
                await stage.pass_by(0.5)
                if ("stuck", 1, {"n": "late"}) in await stage.sent(app):
                    return
                await asyncio.sleep(0.001)
            raise AssertionError("never sent")

    play(scene)


def test_what_cannot_be_sent_is_said_and_passed_over(
    stage: Stage, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    app = stage.app(beat_schedule={"bad": every(1, kwargs={"n": object()}), "good": every(1)})

    async def scene() -> None:
        async with stage.running(app):
            await stage.pass_by(2.5)
            assert [name for name, _, _ in await stage.sent(app)] == ["good", "good"]

    play(scene)
    said = [record.message for record in caplog.records if "'bad' cannot be sent" in record.message]
    assert len(said) == 2
    assert "object" in said[0]


BROKEN = (
    b"\xff",
    b"null",
    b'{"task": "stage.job"}',
    b'{"task": "stage.job", "schedule": 5}',
    b'{"task": [], "schedule": {"kind": "schedule", "seconds": 1, "relative": false}}',
    b'{"task": "stage.job", "schedule": {"kind": "schedule", "seconds": 1, "relative": false}, "jitter": "a lot"}',
    b'{"task": "stage.job", "schedule": {"kind": "schedule", "seconds": 1, "relative": false}, "since": 1e300}',
    b'{"task": "stage.job", "schedule": {"kind": "schedule", "seconds": 1, "relative": false}, "max_runs": []}',
    b'{"task": "stage.job", "schedule": {"kind": "crontab", "line": 5, "timezone": null}}',
)


def test_a_stored_entry_that_cannot_be_read_is_said_and_stops_no_other(
    stage: Stage, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    app = stage.app(beat_schedule={"ten": every(10), "configured": every(1000)})

    async def scene() -> None:
        tables = open_timetables(app)
        broken = [Kept(f"broken {number}", data) for number, data in enumerate(BROKEN)]
        await tables.entries.put(tables.book, [*broken, Kept("configured", b'{"paused": false, "since": "then"}')])
        async with stage.running(app):
            await stage.pass_by(11)
            assert await stage.sent(app) == [("ten", 10, {})]

    play(scene)
    left_out = [record for record in caplog.records if "A schedule is left out" in record.message]
    assert len(left_out) == len(BROKEN) + 1


def test_options_pass_to_the_call_and_signals_see_it(stage: Stage, play: Play) -> None:
    app = stage.app(beat_schedule={"one": every(1, options={"queue": "other", "priority": 7, "expires": 60})})
    seen: list[Any] = []

    def receiver(sender: Any = None, headers: Any = None, **_: Any) -> None:
        seen.append((sender, headers["celery_beat_task"]))

    signals.before_task_publish.connect(receiver)
    signals.after_task_publish.connect(receiver)

    async def scene() -> None:
        async with stage.running(app):
            await stage.pass_by(1)
            for _ in range(2000):
                if len(seen) == 2:
                    break
                await asyncio.sleep(0.001)

    try:
        play(scene)
    finally:
        signals.before_task_publish.disconnect(receiver)
        signals.after_task_publish.disconnect(receiver)
    assert seen == [("stage.job", True)] * 2
    (depth,) = app.sync_producer.survey(["other"])
    assert depth.ready == 1


def test_an_entry_whose_task_is_not_registered_is_warned_of_and_sent(
    stage: Stage, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    app = stage.app(beat_schedule={"one": every(1)})

    async def scene() -> None:
        async with stage.running(app):
            await stage.pass_by(1)
            assert len(await stage.sent(app)) == 1

    play(scene)
    (said,) = [record for record in caplog.records if "not registered" in record.message]
    assert said.message == "Schedule 'one' calls 'stage.job', which is not registered here. It is sent all the same"
    assert said.levelno == logging.WARNING


def test_a_broker_that_was_away_is_caught_up_with_by_policy(
    stage: Stage, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = stage.app(beat_schedule={"some": every(5), "each": every(5, catch_up="all")})
    away = False
    table = type(app.broker.timetable())  # type: ignore[attr-defined]
    for verb in ("tick", "lead", "changes", "marks"):
        monkeypatch.setattr(table, verb, _away(getattr(table, verb), lambda: away))

    async def scene() -> None:
        nonlocal away
        async with stage.running(app):
            await stage.pass_by(6)
            away = True
            await stage.pass_by(100)
            away = False
            await stage.pass_by(10)
            found = await stage.sent(app)
            assert [due for name, due, _ in found if name == "each"] == [5 * number for number in range(1, 24)]
            some = [due for name, due, _ in found if name == "some"]
            assert some[0] == 5
            assert some[1] > 80
            assert len(set(some)) == len(some)

    play(scene)


def _away(verb: Any, is_away: Callable[[], bool]) -> Any:
    async def instead(*args: Any, **kwargs: Any) -> Any:
        if is_away():
            raise OperationalError("the broker is away")
        return await verb(*args, **kwargs)

    return instead


def test_a_broker_that_goes_away_after_it_refused_a_tick_is_waited_for(
    stage: Stage, play: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """That the tick is passed over is to be recorded, and there is nobody to do it."""
    app = stage.app(beat_schedule={"bad": every(5)})
    table = type(app.broker.timetable())  # type: ignore[attr-defined]
    tick, steps, loose = table.tick, list[str](), list[Any]()

    async def refusing(self: Any, book: str, beat: str, epoch: int, ticks: Any, *, deadline: float) -> Any:
        if ticks[0].messages:
            steps.append("refused")
            return [Refused(ValueError("too large"))]
        if "refused" in steps:
            steps.append("away" if "away" not in steps else "recorded")
            if steps[-1] == "away":
                raise OperationalError("the broker is away")
        return await tick(self, book, beat, epoch, ticks, deadline=deadline)

    monkeypatch.setattr(table, "tick", refusing)

    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, told: loose.append(told))
        async with stage.running(app):
            await stage.pass_by(9)
        gc.collect()
        assert steps == ["refused", "away", "refused", "recorded"]
        assert loose == []

    play(scene)
    assert "Schedule 'bad' waits for its broker: the broker is away" in caplog.messages


def test_two_entries_of_one_name_are_refused_before_anything_is_sent(stage: Stage, play: Play) -> None:
    app = stage.app(beat_schedule={"one": every(1)})
    app.add_periodic_task(5, "stage.job", name="one")

    async def scene() -> None:
        with pytest.raises(ImproperlyConfigured, match="two schedules are named 'one'"):
            async with stage.running(app):
                pass

    play(scene)


def test_what_was_missed_while_paused_is_not_caught_up(stage: Stage, play: Play) -> None:
    app = stage.app(beat_schedule={"each": every(1, catch_up="all")})

    async def scene() -> None:
        async with stage.running(app):
            await stage.pass_by(1)
            await app.schedules.apause("each")
            await stage.pass_by(5)
            await app.schedules.aresume("each")
            await stage.pass_by(2.5)
            assert len(await stage.sent(app)) <= 4

    play(scene)


def test_a_clock_that_was_set_is_noticed_within_the_longest_sleep(stage: Stage, play: Play) -> None:
    app = stage.app(beat_schedule={"daily": every(0, schedule=datetime.fromtimestamp(START + 86400, UTC))})

    async def scene() -> None:
        async with stage.running(app):
            stage.clock._start += 86400
            await stage.pass_by(1.5)
            assert len(await stage.sent(app)) == 1

    play(scene)


# Started -------------------------------------------------------------------------------------------------------------


def test_a_beat_says_that_it_begins_before_it_does(stage: Stage) -> None:
    heard: list[tuple[str, Any, bool]] = []

    def alone(sender: Any = None, **_: Any) -> None:
        heard.append(("alone", sender, sender.leads))
        sender.stop()

    def embedded(sender: Any = None, **_: Any) -> None:
        heard.append(("embedded", sender, sender.leads))

    signals.beat_init.connect(alone)
    signals.beat_embedded_init.connect(embedded)
    try:
        assert run(stage.app(), BeatOptions()) == 0
        with Embedded(stage.app(), BeatOptions()) as inside:
            thread = inside._thread
            assert thread.is_alive()
        assert not thread.is_alive()
    finally:
        signals.beat_init.disconnect(alone)
        signals.beat_embedded_init.disconnect(embedded)
    assert [(how, type(sender), leads) for how, sender, leads in heard] == [
        ("alone", Scheduler, False),
        ("embedded", Scheduler, False),
    ]
