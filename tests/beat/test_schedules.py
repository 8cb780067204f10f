"""``app.schedules`` and the ways in which an application's own code names entries."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.beat.conftest import START, Stage
from umbel import Umbel, crontab, schedule, shared_task
from umbel.core.errors import EncodeError, ImproperlyConfigured, ParseException
from umbel.core.schedule.catchup import at
from umbel.core.schedule.entry import LazyArgument

JOB = "stage.job"


def job(n: int = 0) -> int:
    return n


# Of the application's code --------------------------------------------------------------------------------------------


def test_a_task_says_when_it_is_called(stage: Stage) -> None:
    app = stage.app()
    app.task(every=timedelta(minutes=1), name="often")(job)
    app.task(cron="0 8 * * *", name="daily")(job)
    app.task(cron=crontab(minute="*/5", timezone="Asia/Tokyo"), name="tokyo")(job)
    entries = app.schedules.configured()
    assert {name: one.schedule for name, one in entries.items()} == {
        "often": schedule(60),
        "daily": crontab("0", "8"),
        "tokyo": crontab("*/5", timezone="Asia/Tokyo"),
    }
    assert entries["often"].task == "often"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"every": 5, "cron": "* * * * *"}, "every= and cron= exclude each other"),
        ({"every": "* * * * *"}, "for a line of cron there is cron="),
        ({"cron": "61 * * * *"}, "61 is out of range"),
        ({"every": 0}, "more than 0 seconds"),
    ],
)
def test_a_task_that_says_nonsense_is_refused_at_once(stage: Stage, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        stage.app().task(name="x", **given)(job)


def test_a_shared_task_is_called_by_every_app(stage: Stage) -> None:
    shared_task(name="shared.job", every=30)(job)
    assert "shared.job" in stage.app().schedules.configured()
    assert "shared.job" in stage.app().schedules.configured()


def test_add_periodic_task_in_receivers_as_with_celery(stage: Stage) -> None:
    app = stage.app()
    add = app.task(name=JOB)(job)

    @app.on_after_configure.connect
    def configured(sender: Umbel, **_: Any) -> None:
        sender.add_periodic_task(10.0, add, args=(1,), name="ten")

    @app.on_after_finalize.connect
    def finalized(sender: Umbel, **_: Any) -> None:
        sender.add_periodic_task(crontab("0"), add, (2,), {}, queue="slow", expires=10, catch_up="all")

    entries = app.schedules.configured()
    assert entries["ten"].args == (1,)
    other = entries[f"{JOB}(2)"]
    assert (other.options, other.catch_up) == ({"queue": "slow", "expires": 10}, "all")


def test_a_signature_brings_its_arguments_and_options(stage: Stage) -> None:
    app = stage.app()
    signature = {"task": JOB, "args": [1], "kwargs": {"b": 2}, "options": {"queue": "q"}, "subtask_type": None}
    name = app.add_periodic_task(10, signature, kwargs={"c": 3}, priority=5)
    entry = app.schedules.configured()[name]
    assert (entry.task, entry.args, entry.kwargs) == (JOB, (1,), {"b": 2, "c": 3})
    assert entry.options == {"queue": "q", "priority": 5}


def test_names_are_made_where_none_is_given_and_differing_ones_are_refused(stage: Stage) -> None:
    app = stage.app()
    assert app.add_periodic_task(10, JOB, (1,)) == f"{JOB}(1)"
    assert app.add_periodic_task(10, JOB, (1,)) == f"{JOB}(1)"
    assert app.add_periodic_task(20, JOB, (1,)) == f"{JOB}(1) every 20 seconds"
    assert app.add_periodic_task(20, JOB, name="x") == "x"
    assert app.add_periodic_task(20, JOB, name="x") == "x"
    with pytest.raises(ImproperlyConfigured, match="two schedules are named 'x', and they differ"):
        app.add_periodic_task(30, JOB, name="x")
    assert len(app.schedules.configured()) == 3


def test_a_schedule_needs_a_task(stage: Stage) -> None:
    with pytest.raises(ParseException, match="a schedule calls a task"):
        stage.app().add_periodic_task(10, 5)
    with pytest.raises(ParseException, match="schedule 'x': 'task' is the name of a task"):
        stage.app(beat_schedule={"x": {"schedule": 5}}).schedules.configured()


# At run time ----------------------------------------------------------------------------------------------------------


def test_set_look_pause_resume_delete(stage: Stage) -> None:
    app = stage.app(beat_schedule={"fixed": {"task": JOB, "schedule": 60}})
    made = app.schedules.set("new", JOB, "*/5 * * * *", [1], {"b": 2}, timezone="Europe/Berlin", options={"queue": "q"})
    assert made.next == datetime(2026, 11, 18, 11, 10, tzinfo=UTC)
    other = stage.app(beat_schedule={"fixed": {"task": JOB, "schedule": 60}})
    assert [one.name for one in other.schedules] == ["fixed", "new"]
    assert "new" in other.schedules
    entry = other.schedules.get("new").entry
    assert (entry.args, entry.kwargs, entry.options, entry.stored) == ((1,), {"b": 2}, {"queue": "q"}, True)
    other.schedules.pause("new")
    other.schedules.pause("fixed")
    assert [one.next for one in app.schedules] == [None, None]
    assert "paused" in repr(app.schedules.get("fixed"))
    stage.clock.advance(600)
    app.schedules.resume("fixed")
    assert app.schedules.get("fixed").next == at(START + 660)
    app.schedules.delete("new")
    assert [one.name for one in other.schedules] == ["fixed"]


@pytest.mark.parametrize("verb", ["get", "pause", "resume", "delete", "trigger"])
def test_a_name_that_nothing_has(stage: Stage, verb: str) -> None:
    app = stage.app(beat_schedule={"fixed": {"task": JOB, "schedule": 60}})
    with pytest.raises(KeyError, match="no schedule named 'fixd'; did you mean 'fixed'"):
        getattr(app.schedules, verb)("fixd")


def test_what_stands_in_code_is_changed_there(stage: Stage) -> None:
    app = stage.app(beat_schedule={"fixed": {"task": JOB, "schedule": 60}})
    for change in (lambda: app.schedules.set("fixed", JOB, 5), lambda: app.schedules.delete("fixed")):
        with pytest.raises(ImproperlyConfigured, match="schedule 'fixed' stands in the application's code"):
            change()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"schedule": "* * * *"}, ParseException, "has 4 fields"),
        ({"schedule": at(START - 1)}, ParseException, "is never due: once, at 2026"),
        ({"schedule": 5, "end": at(START - 1)}, ParseException, "is never due"),
        ({"schedule": 5, "args": [object()]}, EncodeError, "object"),
        ({"schedule": 5, "args": [LazyArgument(int)]}, ImproperlyConfigured, "for the application's code only"),
        ({"schedule": 5, "colour": "red"}, ParseException, "has no key 'colour'"),
    ],
)
def test_what_cannot_be_set(stage: Stage, given: dict[str, Any], error: type[Exception], message: str) -> None:
    app = stage.app()
    with pytest.raises(error, match=message):
        app.schedules.set("x", JOB, **given)
    assert list(app.schedules) == []


def test_the_next_ticks_of_all_and_of_one(stage: Stage) -> None:
    app = stage.app(beat_schedule={"a": {"task": JOB, "schedule": 10}, "b": {"task": JOB, "schedule": 25}})
    assert [(due.timestamp() - START, name) for due, name in app.schedules.next(4)] == [
        (10, "a"),
        (20, "a"),
        (25, "b"),
        (30, "a"),
    ]
    assert [due.timestamp() - START for due, _ in app.schedules.next(2, "b")] == [25, 50]


def test_trigger_and_backfill_call_beside_the_schedule(stage: Stage) -> None:
    app = stage.app(beat_schedule={"daily": {"task": JOB, "schedule": "0 8 * * *", "kwargs": {"n": 1}, "max_runs": 1}})
    first = app.schedules.trigger("daily")
    calls = app.schedules.backfill("daily", datetime(2026, 1, 1), datetime(2026, 1, 4, 8, tzinfo=UTC))
    assert len({first.id, *(call.id for call in calls)}) == 4
    found = asyncio.run(stage.sent(app))
    assert [at(START + due).isoformat()[:13] for _, due, _ in found[1:]] == [f"2026-01-0{day}T08" for day in (1, 2, 3)]
    assert all(kwargs == {"n": 1} for _, _, kwargs in found)
    with pytest.raises(ValueError, match="more than 10,000 ticks of 'daily'"):
        app.schedules.backfill("daily", datetime(1990, 1, 1), datetime(2026, 1, 4))


def test_every_verb_has_a_twin(stage: Stage) -> None:
    app = stage.app()

    async def scene() -> list[str]:
        await app.schedules.aset("x", JOB, 5)
        await app.schedules.apause("x")
        await app.schedules.aresume("x")
        await app.schedules.atrigger("x")
        await app.schedules.abackfill("x", at(START), at(START + 10))
        ticks = await app.schedules.anext(1)
        names = [one.name for one in await app.schedules.alist()]
        await app.schedules.adelete((await app.schedules.aget("x")).name)
        return [*names, ticks[0][1]]

    assert asyncio.run(scene()) == ["x", "x"]
    assert list(app.schedules) == []


def test_the_zone_of_the_application_is_that_of_its_crontabs(stage: Stage) -> None:
    app = stage.app(timezone="Asia/Tokyo", beat_schedule={"x": {"task": JOB, "schedule": "0 8 * * *"}})
    assert next(iter(app.schedules)).next == datetime(2026, 11, 18, 23, tzinfo=UTC)


def test_deadline_is_the_age_of_crontabs(stage: Stage) -> None:
    app = stage.app(beat_cron_starting_deadline=60, beat_schedule={"x": {"task": JOB, "schedule": "0 8 * * *"}})
    assert app.schedules.configured()["x"].max_age == 60
