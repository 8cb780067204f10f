"""A worker inside another program: on a thread, by the command line of an app, and by its own."""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worker import subjects
from umbel import Umbel, signals
from umbel.exceptions import ImproperlyConfigured, TimeLimitExceeded
from umbel.worker import limits


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, db_url: str) -> Iterator[Umbel]:
    url = "memory://" if request.param == "memory" else db_url
    with Umbel("embedded", broker=url, backend=url, set_as_current=False) as app:
        yield app


def left_behind() -> list[threading.Thread]:
    """Umbel's threads, without those of other tests' foreign backends and schedulers, which stay until the end."""
    stay = ("umbel-backend", "umbel-scheduler")
    return [one for one in threading.enumerate() if one.name.startswith("umbel") and one.name not in stay]


def test_a_worker_beside_a_block(app: Umbel) -> None:
    add = app.task(lambda x, y: x + y, name="add")
    before = (signal.getsignal(signal.SIGTERM), logging.getLogger().handlers[:], sys.stdout, os.umask(os.umask(0o22)))
    for times in range(2):  # it can be done again
        with app.Worker(pool="solo", hostname="beside@here") as worker:
            assert add.delay(2, times).get(timeout=20) == 2 + times
            assert worker.hostname == "beside@here"
            assert worker.concurrency == 1
        assert worker.exitcode == 0
    assert before == (signal.getsignal(signal.SIGTERM), logging.getLogger().handlers[:], sys.stdout, before[3])
    assert left_behind() == []
    app.conf.task_default_queue = "free"  # settings are fixed only while it runs


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_worker_whose_window_is_taken_is_an_error_of_the_block(app: Umbel, pool: str, tmp_path: Path) -> None:
    """And no end of the program."""
    (tmp_path / "mine").touch()
    app.conf.worker_health_socket = str(tmp_path / "mine")
    with pytest.raises(RuntimeError, match="its log says why"), app.Worker(pool=pool):
        pass
    assert left_behind() == []


def test_its_signals_show_the_worker(app: Umbel) -> None:
    heard: list[tuple[str, Any]] = []

    def hear(signal: Any, sender: Any, **more: Any) -> None:
        heard.append((signal.name, sender))

    names = ("celeryd_init", "worker_init", "celeryd_after_setup", "worker_ready", "worker_shutdown")
    for name in names:
        getattr(signals, name).connect(hear)
    try:
        with app.Worker(pool="solo", hostname="beside@here") as worker:
            pass
    finally:
        for name in names:
            getattr(signals, name).disconnect(hear)
    assert [name for name, _ in heard] == list(names)
    assert [sender for _, sender in heard] == ["beside@here", worker, "beside@here", worker.consumer, worker]


def test_receivers_of_celeryd_after_setup_may_add_a_queue(app: Umbel) -> None:
    task = app.task(lambda: "ran", name="task")

    def add_queue(instance: Any, **more: Any) -> None:
        instance.queues.append("extra")

    signals.celeryd_after_setup.connect(add_queue)
    try:
        with app.Worker(pool="solo"):
            assert task.apply_async(queue="extra").get(timeout=20) == "ran"
    finally:
        signals.celeryd_after_setup.disconnect(add_queue)


def test_receivers_of_celeryd_init_may_change_settings(app: Umbel) -> None:
    def change(sender: str, conf: Any, **more: Any) -> None:
        conf.task_default_queue = f"queue-of-{sender}"

    signals.celeryd_init.connect(change, sender="changed@here")
    try:
        with app.Worker(pool="solo", hostname="changed@here") as worker:
            assert worker.queues == ["queue-of-changed@here"]
    finally:
        signals.celeryd_init.disconnect(change, sender="changed@here")


def test_processes_are_of_another_program_too(farm_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    farm = farm_with()
    for name, value in farm.environment.items():
        monkeypatch.setenv(name, value)
    own = subprocess.Popen([sys.executable, "-c", ""])
    subjects.app.conf.update(broker_url=farm.settings["broker"], result_backend=farm.settings["backend"])
    with subjects.app.Worker(pool="prefork", concurrency=1):
        pid = farm.send("sleep", "far", 0) and farm.started("far").pid
        assert pid != os.getpid()
    assert own.wait(20) == 0, "the worker waits for no child that is not its own"


def test_what_cannot_be_is_raised_where_the_block_is(app: Umbel) -> None:
    with pytest.raises(TypeError, match="no option 'concurency'; it has pool, concurrency"):
        app.Worker(concurency=2)
    with (
        pytest.raises(ImproperlyConfigured, match="No queue is left"),
        app.Worker(pool="solo", exclude_queues="celery"),
    ):
        raise AssertionError


def test_memory_is_not_for_processes() -> None:
    with (
        Umbel("m", broker="memory://", set_as_current=False) as app,
        pytest.raises(ImproperlyConfigured, match="no other process"),
        app.Worker(concurrency=1),
    ):
        raise AssertionError


def test_soft_limits_off_the_main_thread_are_said_to_be_off(app: Umbel, monkeypatch: pytest.MonkeyPatch) -> None:
    limits._tell_there_is_none.cache_clear()
    said: list[str] = []
    monkeypatch.setattr(limits.logger, "warning", lambda text, *words: said.append(text % words))
    task = app.task(lambda: "ran", name="task", soft_time_limit=30)
    with app.Worker(pool="solo"):
        assert task.delay().get(timeout=20) == "ran"
    assert any("Soft time limits are off" in text for text in said)


PROGRAM = """
import sys
from umbel import Umbel

app = Umbel("program", broker="sqlite:///program.db")


@app.task
def add(x, y):
    return x + y


if __name__ == "__main__":
    {how}
"""


@pytest.mark.parametrize(
    ("how", "words", "status", "said"),
    [
        ("app.start()", ["--version"], 0, ""),
        ("app.start()", ["tasks"], 0, "program.add"),
        ("app.start(['call', 'add', '1', '2'])", [], 0, ""),
        ("sys.exit(app.worker_main(['worker', '-c', '0']))", [], 2, ""),
        ("app.worker_main(['-l', 'INFO'])", [], 1, "worker_main() is for the command 'worker'"),
    ],
)
def test_a_program_is_its_own_command_line(folder: Path, how: str, words: list[str], status: int, said: str) -> None:
    (folder / "program.py").write_text(PROGRAM.format(how=how))
    done = subprocess.run([sys.executable, "program.py", *words], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr


def test_worker_main_works(folder: Path) -> None:
    (folder / "program.py").write_text(PROGRAM.format(how="sys.exit(app.worker_main(['worker', '-P', 'solo']))"))
    program = subprocess.Popen([sys.executable, "program.py"], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        assert any("program.add" in line for line in program.stdout)
        with Umbel("caller", broker=f"sqlite:///{folder / 'program.db'}", set_as_current=False) as app:
            assert app.send_task("program.add", (2, 3)).get(timeout=20) == 5
    finally:
        program.terminate()
        program.communicate()
    assert program.returncode == 0


@pytest.mark.parametrize("lane", ["threads", "asyncio"])
def test_lanes_of_many_places_run_beside_a_block_where_no_process_could(app: Umbel, lane: str) -> None:
    both = threading.Barrier(2)

    @app.task(name="meet")
    def meet() -> bool:
        both.wait(20)
        return threading.current_thread() is not threading.main_thread()

    @app.task(name="long", time_limit=0.2)
    def long() -> None:
        may_end.wait(20)

    may_end = threading.Event()
    with app.Worker(pool=lane, concurrency=2) as worker:
        assert [call.get(timeout=20) for call in (meet.delay(), meet.delay())] == [True, True]
        assert worker.concurrency == 2
        with pytest.raises(TimeLimitExceeded):
            long.delay().get(timeout=20)
        may_end.set()
        assert [call.get(timeout=20) for call in (meet.delay(), meet.delay())] == [True, True]
    assert worker.exitcode == 0
    for thread in left_behind():
        thread.join(20)
        assert not thread.is_alive(), thread


def test_processes_that_could_not_import_the_app_are_refused_at_once(db_url: str) -> None:
    nowhere = Umbel("nowhere", broker=db_url, set_as_current=False)
    with (
        pytest.raises(ImproperlyConfigured, match=r"in no module .* use the pool solo, threads or asyncio"),
        nowhere.Worker(pool="prefork"),
    ):
        pass
