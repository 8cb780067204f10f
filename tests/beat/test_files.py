"""Schedule files, Celery's and damaged ones, and other schedulers by name. One file was written by a real Celery."""

import asyncio
import logging
import shelve
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.beat.conftest import START, Stage
from tests.interop.environments import need
from umbel.beat import BeatOptions, Scheduler, shelf
from umbel.beat.choosing import Ticking, choose
from umbel.beat.files import prepare
from umbel.core.errors import ImproperlyConfigured, OperationalError

Play = Callable[[Callable[[], Any]], None]

CELERY = """
import sys
from datetime import datetime, timezone
from celery import Celery
from celery.beat import PersistentScheduler
from celery.schedules import crontab, solar
app = Celery("stage", broker="memory://", timezone="Europe/Berlin")
app.conf.beat_schedule = {
    "each": {"task": "stage.job", "schedule": 100},
    "cron": {"task": "stage.job", "schedule": crontab(minute="*/5"), "kwargs": {"n": object()} if False else {}},
}
scheduler = PersistentScheduler(app=app, schedule_filename=sys.argv[1])
for name, entry in scheduler.schedule.items():
    entry.last_run_at = datetime.fromtimestamp(float(sys.argv[2]), timezone.utc)
    entry.total_run_count = 7
scheduler.sync()
scheduler.close()
"""


@pytest.fixture(scope="module")
def celerys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A schedule file that a real Celery wrote: all ran 30 seconds before the start."""
    path = tmp_path_factory.mktemp("celery") / "celerybeat-schedule"
    subprocess.run([need("5.6.3"), "-c", CELERY, str(path), str(START - 30)], check=True, capture_output=True)
    return path


@pytest.fixture
def copied(celerys: Path, tmp_path: Path) -> Path:
    for part in celerys.parent.iterdir():
        (tmp_path / part.name).write_bytes(part.read_bytes())
    return tmp_path / celerys.name


def entries() -> dict[str, Any]:
    return {"each": {"task": "stage.job", "schedule": 100}, "more": {"task": "stage.job", "schedule": 100}}


def test_when_celery_ran_what_is_taken_over_once(stage: Stage, copied: Path) -> None:
    app = stage.app(beat_schedule=entries(), beat_schedule_filename=str(copied))

    async def scene() -> None:
        for _ in range(2):
            async with stage.running(app):
                await stage.pass_by(40)
        found = await stage.sent(app)
        assert [(name, due) for name, due, _ in found] == [("each", 70)]
        assert (await app.schedules.aget("each")).runs == 8

    asyncio.run(scene())
    assert not shelf.is_celerys(copied)
    assert b"UMBL" in copied.read_bytes()[:100]
    assert shelf.is_celerys(copied.with_name(copied.name + ".celery"))


def test_in_the_working_folder_it_is_read_and_left_alone(
    stage: Stage, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied.parent)
    app = stage.app(beat_schedule=entries())
    before = {path.name: path.read_bytes() for path in copied.parent.iterdir()}
    marks = prepare(app)
    assert marks["each"] == (START - 30, 7)
    assert {name: (copied.parent / name).read_bytes() for name in before} == before


def test_a_pickle_in_it_runs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "boom",)

    with shelve.open(str(tmp_path / "bad")) as made:
        made["entries"] = {"one": Bomb()}
    assert shelf.read(tmp_path / "bad") == {}
    assert not (tmp_path / "boom").exists()
    with shelve.open(str(tmp_path / "odd")) as made:
        made["something"] = 1
    assert shelf.read(tmp_path / "odd") == {}
    assert "schedules begin anew" in caplog.text


@pytest.mark.parametrize("damage", ["garbage", "pages"])
def test_a_damaged_file_is_kept_aside_and_the_configuration_goes_on(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    path = tmp_path / "schedule.db"
    app = stage.app(beat_schedule=entries(), beat_schedule_filename=str(path))
    if damage == "garbage":
        path.write_bytes(b"this is no database at all" * 100)
    else:
        app.schedules.set("kept", "stage.job", 5)
        app.close()
        data = bytearray(path.read_bytes())
        data[4096:] = b"\xff" * (len(data) - 4096)
        path.write_bytes(data)
        for part in ("-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)

    async def scene() -> None:
        async with stage.running(app):
            await stage.pass_by(101)
        assert {name for name, _, _ in await stage.sent(app)} == {"each", "more"}

    asyncio.run(scene())
    aside = tmp_path / "schedule.db.damaged"
    assert aside.exists()
    (said,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert said.message == f"The schedule file {path} is damaged: it is kept as {aside}, and what it held is set anew"


def test_a_text_that_was_named_by_mistake_is_left_alone(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "tasks.py"
    path.write_text("from umbel import Umbel\n\n# Ünïcode\n")
    app = stage.app(beat_schedule_filename=str(path))
    with pytest.raises(ImproperlyConfigured, match=r"tasks\.py is a text, and no schedule file"):
        prepare(app)
    assert [one.name for one in tmp_path.iterdir()] == ["tasks.py"]
    assert "Umbel" in path.read_text()


def test_entries_are_kept_in_the_file_and_ticks_in_the_broker(stage: Stage, tmp_path: Path) -> None:
    app = stage.app(beat_schedule_filename=str(tmp_path / "schedule.db"))
    app.schedules.set("kept", "stage.job", 5)
    assert [one.name for one in stage.app(beat_schedule_filename=str(tmp_path / "schedule.db")).schedules] == ["kept"]
    assert list(stage.app().schedules) == []

    async def scene() -> None:
        async with stage.running(app):
            await stage.pass_by(6)
        assert [(name, due) for name, due, _ in await stage.sent(app)] == [("kept", 5)]

    asyncio.run(scene())


def test_a_file_of_another_program_is_refused_and_left_alone(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as link:
        link.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    app = stage.app(beat_schedule=entries(), beat_schedule_filename=str(path))

    async def scene() -> None:
        await Scheduler(app).run()

    with pytest.raises(OperationalError, match="is the database of another program"):
        asyncio.run(scene())
    assert path.read_bytes() == before


# Other schedulers -----------------------------------------------------------------------------------------------------


class Mine(Scheduler):
    """A subclass."""


class Old:
    """One in Celery's shape."""

    made: "list[Old]" = []

    def __init__(self, app: Any, max_interval: float | None = None, schedule_filename: str | None = None) -> None:
        self.told = (app, max_interval, schedule_filename)
        self.did: list[str] = []
        Old.made.append(self)

    def tick(self) -> float:
        self.did.append("tick")
        return 10.0

    def should_sync(self) -> bool:
        return len(self.did) == 1

    def sync(self) -> None:
        self.did.append("sync")

    def close(self) -> None:
        self.did.append("close")


def test_celerys_own_names_mean_umbels_scheduler(stage: Stage) -> None:
    app = stage.app()
    assert type(choose(app, BeatOptions())) is Scheduler
    assert type(choose(app, BeatOptions(scheduler="celery.beat.PersistentScheduler"))) is Scheduler


def test_a_subclass_is_found_by_its_dotted_name(stage: Stage) -> None:
    found = choose(stage.app(beat_scheduler="tests.beat.test_files:Mine"), BeatOptions())
    assert type(found).__name__ == "Mine"
    assert isinstance(found, Scheduler)


def test_a_scheduler_in_celerys_shape_is_driven_as_celery_does(stage: Stage) -> None:
    app = stage.app()
    found = choose(app, BeatOptions(scheduler="tests.beat.test_files.Old", max_interval=7))
    assert isinstance(found, Ticking)

    async def scene() -> None:
        work = asyncio.ensure_future(found.run())
        did = found.scheduler.did
        for wanted in (["tick"], ["tick", "sync", "tick"]):
            while did[: len(wanted)] != wanted:
                await asyncio.sleep(0.001)
                if stage.clock.sleeping:
                    stage.clock.advance(5)
        found.stop()
        await work
        assert did[-1] == "close"

    asyncio.run(scene())
    assert found.scheduler.told == (app, 7, "celerybeat-schedule")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("proj.nowhere:Scheduler", "no scheduler 'proj.nowhere:Scheduler'"),
        (
            "pathlib.Path",
            "pathlib.Path is no scheduler: it is a subclass of umbel.beat.Scheduler, or has a method tick",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(stage: Stage, name: str, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        choose(stage.app(), BeatOptions(scheduler=name))
