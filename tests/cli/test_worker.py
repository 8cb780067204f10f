"""``umbel worker``: its options, its banner, and what it refuses."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run, environment
from umbel.cli.banner import call_line, lines_of, place
from umbel.cli.find import find_app
from umbel.cli.worker import LATER
from umbel.worker import Banner


def test_it_stops_warm_with_status_0(worker: "subprocess.Popen[str]", umbel: Run) -> None:
    assert umbel("-A", "tasks", "call", "add", "2", "2", "--wait").returncode == 0
    worker.terminate()
    assert worker.stdout is not None
    worker.stdout.read()
    assert worker.wait() == 0


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_settings_at_the_end_reach_the_processes(umbel: Run, tasks: Path, folder: Path, method: str) -> None:
    tasks.write_text(
        tasks.read_text() + "\n@app.task\ndef told():\n"
        "    return [app.conf.task_time_limit, app.conf.worker_disable_prefetch, app.conf.result_extended]\n"
    )
    words = (
        "--disable-prefetch",
        "--pool-start-method",
        method,
        "--",
        "task.time_limit=33",
        "result.extended=(int)1",
    )
    command = [str(Path(sys.executable).with_name("umbel")), "-A", "tasks", "worker", "-c", "1", *words]
    worker = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL)
    try:
        called = umbel("-A", "tasks", "call", "told", "--wait", "-t", "30").stdout
        assert called.splitlines()[-1] == "[33.0,true,true]"
    finally:
        worker.terminate()
        assert worker.wait(30) == 0


@pytest.mark.parametrize("option", LATER)
def test_an_option_that_does_nothing_yet_is_refused(umbel: Run, tasks: Path, option: str) -> None:
    words = [option.split("/")[-1], *(["1"] if LATER[option] else [])]
    done = umbel("-A", "tasks", "worker", *words)
    assert done.returncode == 2
    assert done.stderr == f"umbel: {words[0]} is not built yet; leave it out\n"


def test_a_lane_that_there_is_not(umbel: Run, tasks: Path) -> None:
    done = umbel("-A", "tasks", "worker", "-P", "greenlets")
    assert done.returncode == 2
    assert "There is no pool 'greenlets'; there is prefork, threads, asyncio, gevent, eventlet, solo" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("-c", "0"),
        ("-c", "many"),
        ("--time-limit", "-1"),
        ("-l", "LOUD"),
        ("-P", "nonesuch"),
        ("--nonesuch",),
        ("extra",),
    ],
)
def test_wrong_values_are_one_line(umbel: Run, tasks: Path, words: tuple[str, ...]) -> None:
    done = umbel("-A", "tasks", "worker", *words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("source", ["import nonesuch\n", "1 / 0\n", None])
def test_a_module_that_cannot_be_included_is_one_line(
    umbel: Run, module: Callable[..., Path], tasks: Path, source: str | None
) -> None:
    if source is not None:
        module("more", source)
    done = umbel("-A", "tasks", "worker", "-I", "more")
    assert done.returncode == 1
    assert "cannot import 'more'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_modules_that_the_settings_name_are_imported_or_named(
    umbel: Run, module: Callable[..., Path], tasks: Path
) -> None:
    tasks.write_text(tasks.read_text() + "\napp.conf.imports = ['more']\n")
    done = umbel("-A", "tasks", "tasks")
    assert done.returncode == 1
    assert done.stderr.startswith("umbel: cannot import 'tasks': ModuleNotFoundError: No module named 'more'")
    module("more", "from tasks import app\n@app.task\ndef extra() -> None: ...\n")
    assert "more.extra" in umbel("-A", "tasks", "tasks").stdout


@pytest.mark.parametrize("command", [("worker", "-c", "1"), ("call", "add", "2", "2")])
def test_a_broker_in_memory_is_refused(umbel: Run, tasks: Path, command: tuple[str, ...]) -> None:
    done = umbel("-A", "tasks", "-b", "memory://", *command)
    assert done.returncode == 1
    assert done.stderr.startswith("umbel: memory:// reaches no other process than its own")


def test_the_call_to_try_has_arguments_of_the_right_types(module: Callable[..., Path]) -> None:
    module(
        "shop",
        "from umbel import Umbel\napp = Umbel('shop')\n"
        "@app.task\ndef pay(order: int, *, twice: bool = False) -> None: ...\n"
        "@app.task\ndef mail(to: str, body) -> None: ...\n",
    )
    tasks = find_app("shop").tasks
    assert call_line("shop.pay", tasks, app="shop").endswith("call pay 2 --wait")
    assert call_line("shop.mail", tasks, app="shop").endswith("call mail hello BODY --wait")


def test_the_banner_says_where_and_what(tasks: Path) -> None:
    banner = Banner(
        "celery@h", "tasks", "sqlite:////a/b.db", "sqlite:////a/b.db", "prefork", 2, ("celery",), ("tasks.add",)
    )
    said = dict(lines_of(banner, find_app("tasks").tasks, app="tasks"))
    assert said["broker"] == ["SQLite, /a/b.db"]
    assert said["results"] == ["the same file"]
    assert said["queues"] == ["celery"]
    assert said["tasks"] == ["tasks.add"]
    assert "call add 2 2 --wait" in said["try"][0]


def test_a_url_is_shown_without_its_password() -> None:
    assert place("redis://user:hush@host:6379/0") == "redis://user:**@host:6379/0"
