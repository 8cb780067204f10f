"""``umbel schedules``, ``umbel beat`` and ``umbel worker --beat``, as a user has them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run, environment
from tests.worker.fleet import until

TASKS = """\
from pathlib import Path

from umbel import Umbel, crontab

app = Umbel("tasks", beat_lease=2, beat_schedule={
    "two": {"task": "tasks.log", "schedule": 0.2, "kwargs": {"n": 7}},
    "nightly": {"task": "tasks.log", "schedule": crontab(minute=0, hour=3)},
    "strange": {"task": "nobody.knows", "schedule": 3600},
})


@app.task
def log(n: int = 0) -> None:
    with Path("ledger").open("a") as ledger:
        ledger.write(f"{n}\\n")
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def tasks(module: Callable[[str, str], Path]) -> None:
    module("tasks", TASKS)


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start ``umbel`` with these words; its output is in ``log``."""
    started = []

    def run(*words: str) -> "subprocess.Popen[str]":
        with (folder / "log").open("a") as log:
            process = subprocess.Popen(
                [Path(sys.executable).with_name("umbel"), *words],
                cwd=folder, env=environment(), stdout=log, stderr=log, text=True, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def said(folder: Path) -> str:
    return (folder / "log").read_text()


def runs(folder: Path) -> list[str]:
    path = folder / "ledger"
    return path.read_text().split() if path.exists() else []


def test_they_are_listed_and_shown(umbel: Run) -> None:
    done = umbel("-A", "tasks", "schedules")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["name", "nightly", "strange", "two"]
    assert "at 03:00" in done.stdout
    (one,) = [one for one in json.loads(umbel("-A", "tasks", "schedules", "--json").stdout) if one["name"] == "two"]
    assert (one["schedule"], one["kwargs"], one["from"]) == ("every 0.2 seconds", {"n": 7}, "the application's code")
    shown = umbel("-A", "tasks", "schedules", "show", "nightly").stdout
    assert "schedule   at 03:00" in shown


def test_set_next_trigger_backfill_delete(umbel: Run) -> None:
    words = ("-A", "tasks", "schedules")
    made = umbel(
        *words, "set", "mine", "tasks.log", "--cron", "0 8 * * mon", "--timezone", "Europe/Berlin", "-k", '{"n":1}'
    )
    assert made.stdout.startswith("mine: at 08:00 on Monday (Europe/Berlin); next 20")
    assert len(json.loads(umbel(*words, "next", "mine", "-n", "3", "--json").stdout)) == 3
    assert len(umbel(*words, "trigger", "mine").stdout.strip()) == 36
    assert umbel(*words, "backfill", "mine", "2026-01-01", "2026-02-01").stdout == "4 calls sent\n"
    assert "celery      5" in umbel("-A", "tasks", "queues").stdout
    assert umbel(*words, "delete", "mine").stdout == "mine is deleted\n"
    assert umbel(*words, "show", "mine").stderr == "umbel: no schedule named 'mine'\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pause", "tow"), "no schedule named 'tow'; did you mean 'two'?"),
        (("set", "x", "t", "--cron", "61 * * * *"), "crontab(minute='61'): 61 is out of range; minute is 0 to 59"),
        (("set", "x", "t", "--cron", "* * * * *", "--timezone", "Mars"), "there is no time zone 'Mars'"),
        (("set", "x", "t"), "say when by one of --every, --cron, --at, --sun"),
        (("set", "x", "t", "--every", "5", "--at", "2030-01-01"), "say when by one of"),
        (("set", "x", "t", "--at", "tomorrow"), "'tomorrow' is no time such as"),
        (("set", "x", "t", "--at", "2020-01-01"), "schedule 'x' is never due: once, at 2020-01-01 00:00:00 UTC"),
        (("set", "x", "t", "--sun", "sunset"), "no event and place"),
        (("set", "two", "t", "--every", "5"), "stands in the application's code"),
        (("delete", "two"), "stands in the application's code"),
        (("backfill", "two", "2020-01-01", "2026-01-01"), "more than 10,000 ticks"),
        (("-s", "redis://127.0.0.1:1/0", "list"), "cannot be reached"),
    ],
)
def test_bad_input_is_one_line(umbel: Run, words: tuple[str, ...], message: str) -> None:
    done = umbel("-A", "tasks", "schedules", *words)
    assert done.returncode != 0
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('app.conf.beat_schedule = {"x": {"task": "t"}}', "schedule 'x': 'schedule' is missing"),
        ('app.add_periodic_task(5, "t", name="two")', "two schedules are named 'two'"),
        ('app.conf.beat_scheduler = "no.where"', "no scheduler 'no.where'"),
        ('crontab(minute="61")', "cannot import 'tasks': ParseException: crontab(minute='61'): 61 is out of range"),
    ],
)
def test_a_beat_with_a_wrong_configuration_ends_with_one_line(
    umbel: Run, module: Callable[[str, str], Path], line: str, message: str
) -> None:
    module("tasks", f"{TASKS}\n\n{line}\n")
    done = umbel("-A", "tasks", "beat")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_options_that_do_nothing_yet_are_refused(umbel: Run) -> None:
    assert "is for the beat inside: say -B too" in umbel("-A", "tasks", "worker", "--schedule", "x").stderr


@pytest.mark.slow
def test_a_beat_and_a_worker_and_a_schedule_that_is_paused(umbel: Run, start: Start, folder: Path) -> None:
    beat = start("-A", "tasks", "beat", "-l", "INFO")
    start("-A", "tasks", "worker", "-c", "1", "-B", "-l", "INFO")  # a second beat inside
    until(lambda: len(runs(folder)) >= 5, 40, what=f"runs; {said(folder)}")
    assert set(runs(folder)) == {"7"}
    assert "Schedule 'strange' calls 'nobody.knows', which is not registered here" in said(folder)
    assert umbel("-A", "tasks", "schedules", "pause", "two").stdout == "two is paused\n"
    until(lambda: "Schedule 'two' was changed" in said(folder), what=said(folder))
    assert umbel("-A", "tasks", "schedules", "resume", "two").returncode == 0
    beat.send_signal(signal.SIGTERM)
    assert beat.wait(20) == 0
    before = len(runs(folder))
    until(lambda: len(runs(folder)) >= before + 5, 40, what=f"the beat inside the worker to go on; {said(folder)}")


@pytest.mark.slow
def test_a_beat_in_the_background(umbel: Run, folder: Path) -> None:
    done = umbel("-A", "tasks", "beat", "--detach", "-l", "INFO", "-f", "%n.log", "--pidfile", "%n.pid")
    assert done.returncode == 0, done.stderr
    pid = int((folder / "beat.pid").read_text())
    try:
        until(lambda: "Sent two" in (folder / "beat.log").read_text(), 40)
        again = umbel("-A", "tasks", "beat", "--pidfile", "%n.pid")
        assert again.returncode != 0
        assert len(again.stderr.splitlines()) == 1
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not (folder / "beat.pid").exists(), 20)
