"""Schedulers in Celery's shape: a subclass that a setting names is driven by Umbel's beat, and sends what is due."""

import asyncio
import pickle
import secrets
import shelve
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.worker.fleet import until
from umbel.beat.choosing import Ticking, choose
from umbel.beat.options import BeatOptions
from umbel.celery import Celery
from umbel.celery.beat import BeatLazyFunc, PersistentScheduler, ScheduleEntry, Scheduler, SchedulingError, Service
from umbel.celery.schedules import BaseSchedule, crontab, crontab_parser, maybe_schedule, schedule
from umbel.celery.signals import beat_init
from umbel.core.errors import ParseException
from umbel.core.schedule import schedstate

DAY = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Recorded(Scheduler):
    """What users write: a scheduler with entries of its own, which says what it did."""

    made: "list[Recorded]" = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.did: list[str] = []
        self.threads: set[str] = set()
        super().__init__(*args, **kwargs)
        Recorded.made.append(self)

    def setup_schedule(self) -> None:
        self.update_from_dict(self.app.conf.beat_schedule)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.threads.add(threading.current_thread().name)
        self.did.append(entry.name)
        super().apply_entry(entry, producer)

    def sync(self) -> None:
        self.did.append("sync")


def an_app(**settings: Any) -> Celery:
    broker = f"memory://{secrets.token_hex(4)}"
    return Celery("proj", broker=broker, set_as_current=False, beat_max_loop_interval=1, **settings)


def depth(app: Celery, queue: str = "celery") -> int:
    return sum(one.ready for one in app.sync_producer.survey([queue]))


def test_a_subclass_is_driven_by_umbels_beat_on_one_thread() -> None:
    app = an_app(
        beat_schedule={
            "often": {
                "task": "add",
                "schedule": 0.01,
                "args": (1, BeatLazyFunc(lambda: 2)),
                "options": {"priority": 3},
            },
            "never": {"task": "add", "schedule": crontab(day_of_month=30, month_of_year=2 + 1)},
        },
    )
    beat = choose(app, BeatOptions(scheduler=f"{__name__}:Recorded"))
    assert isinstance(beat, Ticking)
    scheduler = Recorded.made[-1]

    begun: list[Any] = []
    hear = beat_init.connect(lambda sender, **_: begun.append((sender.scheduler, threading.current_thread().name)))
    beat.begins(beat_init)
    beat_init.disconnect(hear)
    assert begun == [(scheduler, "umbel-scheduler")]
    running = threading.Thread(target=lambda: asyncio.run(beat.run()))
    running.start()
    until(lambda: scheduler.did.count("often") >= 3)
    beat.stop()
    running.join()
    assert scheduler.threads == {"umbel-scheduler"}
    assert "never" not in scheduler.did
    assert scheduler.did[-1] == "sync", "it is closed at the end"
    assert depth(app) == scheduler.did.count("often")
    with app.connection() as connection, connection.SimpleQueue("celery") as calls:
        assert calls.get(timeout=5).payload[0] == [1, 2]


def test_a_scheduler_reads_in_the_settings_what_code_added() -> None:
    app = an_app(beat_schedule={"said": {"task": "proj.said", "schedule": 60}})

    @app.task(name="proj.daily", cron="0 8 * * *")
    def daily() -> None:
        """Nothing."""

    @app.on_after_configure.connect
    def periodic(sender: Celery, **told: Any) -> None:
        sender.add_periodic_task(30.0, daily.s(), name="often")
        assert sender.add_periodic_task(crontab(minute=5), daily.si(), queue="slow") == "proj.daily()"

    assert sorted(app.conf.beat_schedule) == ["often", "proj.daily", "proj.daily()", "said"]
    entries = Scheduler(app).schedule
    assert entries["proj.daily"].schedule == crontab(minute=0, hour=8)
    assert entries["proj.daily()"].options == {"queue": "slow"}
    assert sorted(app.schedules.configured()) == sorted(entries)
    app.conf.beat_schedule = {"only": {"task": "proj.said", "schedule": 60}}
    assert sorted(app.schedules.configured()) == ["often", "only", "proj.daily", "proj.daily()"]


def test_a_run_is_counted_and_the_heap_follows_changes() -> None:
    app = an_app()
    scheduler = Recorded(app)
    assert scheduler.tick() == 1
    entry = scheduler.add(name="now", task="add", schedule=timedelta(days=1), last_run_at=DAY - timedelta(days=9000))
    assert scheduler.tick() == 0
    assert (scheduler.did[0], scheduler.schedule["now"].total_run_count) == ("now", 1)
    assert scheduler.schedule["now"].last_run_at > entry.last_run_at
    assert scheduler.tick() == 1
    scheduler.merge_inplace({"other": {"task": "sub", "schedule": 86400}})
    assert set(scheduler.schedule) == {"other"}


def test_what_cannot_be_sent_is_an_error_of_the_scheduler_and_ends_no_tick() -> None:
    app = an_app(task_create_missing_queues=False, task_queues=["celery"])
    scheduler = Recorded(app)
    entry = scheduler.Entry(name="lost", task="add", schedule=1, options={"queue": "nowhere"}, app=app)
    with pytest.raises(SchedulingError, match=r"lost.*nowhere"):
        scheduler.apply_async(entry, advance=False)
    scheduler.apply_entry(entry)


def test_a_scheduler_with_a_file_goes_on_where_it_was(tmp_path: Path) -> None:
    app = an_app(beat_schedule={"daily": {"task": "add", "schedule": 86400.0, "args": [1]}})
    path = str(tmp_path / "schedule")
    first = PersistentScheduler(app, schedule_filename=path)
    ran = first.reserve(first.schedule["daily"])
    first.close()
    with shelve.open(path) as kept:
        assert kept["entries"]["daily"].total_run_count == 1
    again = PersistentScheduler(app, schedule_filename=path)
    assert again.schedule["daily"].last_run_at == ran.last_run_at
    again.close()
    for file in tmp_path.iterdir():
        file.write_bytes(b"broken")
    begun = PersistentScheduler(app, schedule_filename=path)
    assert begun.schedule["daily"].total_run_count == 0
    begun.close()


def test_a_service_ticks_until_it_is_stopped() -> None:
    app = an_app(beat_schedule={"often": {"task": "add", "schedule": 0.01}})
    service = Service(app, scheduler_cls=Recorded)
    running = threading.Thread(target=service.start)
    running.start()
    until(lambda: depth(app))
    service.stop(wait=True)
    running.join()
    assert service.scheduler.did[-1] == "sync"


def test_an_entry_is_pickled_and_compared_by_what_it_says() -> None:
    entry = ScheduleEntry("a", "add", DAY, 3, schedule(5), (1,), {"x": 1}, {"queue": "q"})
    again = pickle.loads(pickle.dumps(entry))
    assert (again == entry, again.last_run_at, again.total_run_count) == (True, DAY, 3)
    assert entry != ScheduleEntry("a", "sub", DAY, 3, schedule(5))
    assert next(entry).total_run_count == 4


class Odd(BaseSchedule):
    """Due at odd minutes."""

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        at = self.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
        return at + timedelta(minutes=1 - at.minute % 2) - self.now()


class Asked(BaseSchedule):
    """Says only whether it is due."""

    def is_due(self, last_run_at: datetime) -> schedstate:
        return schedstate(False, 90)


def test_schedules_in_celerys_shape_are_schedules() -> None:
    odd, asked = Odd(nowfun=lambda: DAY), Asked(nowfun=lambda: DAY)
    assert odd.next_after(DAY) == DAY + timedelta(minutes=1)
    assert asked.next_after(DAY) == DAY + timedelta(seconds=90)
    assert odd.maybe_make_aware(datetime(2026, 1, 1)).utcoffset() == timedelta(0)
    assert isinstance(crontab(), BaseSchedule)
    assert not isinstance(asked, Odd)
    assert maybe_schedule(3) == schedule(3)


def test_a_crontab_shows_what_it_was_made_of() -> None:
    cron: Any = crontab(minute="*/5", day_of_week="mon")
    assert (cron._orig_minute, cron._orig_hour, cron._orig_day_of_week) == ("*/5", "*", "mon")
    assert not hasattr(cron, "_orig_year")


def test_the_parser_of_crontab_fields() -> None:
    assert crontab_parser(60).parse("*/15") == {0, 15, 30, 45}
    assert crontab_parser(12, 1).parse("jan,mar-may/2") == {1, 3, 5}
    assert crontab_parser(7).parse("mon") == {1}
    with pytest.raises(ParseException):
        crontab_parser(60).parse("99")
