"""Celery's contrib modules, platforms and command decorators: what they do on Umbel."""

import logging
import os
import secrets
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.celery.programs import said
from umbel.celery import Celery, platforms
from umbel.celery.contrib import migrate, rdb
from umbel.celery.contrib.abortable import AbortableTask
from umbel.celery.worker.control import Panel, control_command, inspect_command


def an_app(**settings: Any) -> Celery:
    broker = f"memory://{secrets.token_hex(4)}"
    return Celery("proj", broker=broker, backend=broker, set_as_current=False, **settings)


def waiting(app: Celery, queue: str) -> list[str]:
    with app.connection() as connection, connection.SimpleQueue(queue) as calls:
        return [str(calls.get(timeout=5).headers["id"]) for _ in range(calls.qsize())]


def test_an_abortable_task_sees_that_it_is_not_wanted_any_more() -> None:
    app = an_app()
    seen = []

    @app.task(bind=True, base=AbortableTask)
    def long(self: Any) -> str:
        seen.append(self.is_aborted())
        self.AsyncResult(self.request.id).abort()
        seen.append(self.is_aborted())
        return "stopped"

    with app.Worker(pool="solo"):
        result: Any = long.delay()
        assert result.get(timeout=30) == "stopped"
    assert seen == [False, True]
    assert not result.is_aborted(), "it has succeeded all the same"


def test_calls_are_moved_by_id_and_by_task_and_the_rest_stays_in_its_place() -> None:
    app = an_app()
    for number, task in enumerate(("a", "b", "a", "c")):
        app.send_task(task, task_id=str(number))
    told = []
    done = migrate.move_task_by_id("3", "late", app=app, callback=lambda state, body, message: told.append(state.count))
    assert (done.filtered, told) == (1, [4])
    assert migrate.move_by_taskmap({"a": "quick"}, app=app).filtered == 2
    assert [waiting(app, queue) for queue in ("celery", "quick", "late")] == [["1"], ["0", "2"], ["3"]]


def test_calls_are_moved_to_another_broker() -> None:
    app, other = an_app(), an_app()
    app.send_task("a", (1,), task_id="x", headers={"own": 1})
    with app.connection() as source, other.connection() as dest:
        assert migrate.migrate_tasks(source, dest, app=app, queues={"celery": "moved"}).filtered == 1
    assert waiting(app, "celery") == []
    with other.connection() as connection, connection.SimpleQueue("moved") as calls:
        call = calls.get(timeout=5)
        assert (call.headers["id"], call.headers["own"], call.payload[0]) == ("x", 1, [1])


def test_a_predicate_may_end_the_search() -> None:
    app = an_app()
    for number in range(3):
        app.send_task("a", task_id=str(number))

    def first(body: Any, message: Any) -> str:
        if message.headers["id"] == "1":
            raise migrate.StopFiltering
        return "other"

    assert migrate.move(first, app=app).filtered == 1
    assert waiting(app, "celery") == ["1", "2"]


def test_the_debugger_waits_for_somebody_to_connect(tmp_path: Path) -> None:
    heard: list[str] = []

    class Out:
        def write(self, text: str) -> int:
            heard.append(text)
            ready.set()
            return len(text)

        def flush(self) -> None:
            pass

    ready, done = threading.Event(), []

    def debugged() -> None:
        number = 41
        rdb.Rdb(port=16899, out=Out()).set_trace()  # type: ignore[arg-type]
        done.append(number)

    running = threading.Thread(target=debugged)
    running.start()
    assert ready.wait(20)
    port = int(heard[0].split(":")[1])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"n\np 41 + 1\nn\nc\n")
        text = client.makefile().read()
    running.join(20)
    assert "42" in text
    assert done == [41]


def test_commands_of_ones_own_are_registered_and_said_to_have_no_answer_yet(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):

        @control_command(args=[("n", int)], signature="[N]")  # type: ignore[untyped-decorator]
        def grow_a_little(state: Any, n: int = 1) -> None:
            """Grow."""

        @inspect_command()  # type: ignore[untyped-decorator]
        def how_tall(state: Any) -> None: ...

    assert Panel.data["grow_a_little"] is grow_a_little
    assert (Panel.meta["grow_a_little"].type, Panel.meta["grow_a_little"].help) == ("control", "Grow.")
    assert (Panel.meta["how_tall"].type, Panel.data["how_tall"]) == ("inspect", how_tall)
    assert "no worker answers commands yet" in caplog.text


def test_a_pid_file_is_held_by_one_process(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with platforms.create_pidlock(path) as held:
        assert held.read_pid() == os.getpid()
        path.write_text(f"{os.getppid()}\n")
        with pytest.raises(platforms.LockFailed):
            platforms.Pidfile(path).acquire()
        assert not platforms.Pidfile(path).remove_if_stale()
        path.write_text(f"{os.getpid()}\n")
    assert not path.exists()


def test_signals_users_and_errors_by_name() -> None:
    assert platforms.signals.signum("TERM") == platforms.signals.signum("SIGTERM") == 15
    assert platforms.signal_name(1) == "HUP"
    assert not platforms.signals.supported("NONSENSE")
    assert platforms.parse_uid("root") == platforms.parse_gid("root") == 0
    with platforms.ignore_errno("ENOENT"):
        raise FileNotFoundError(2, "gone")
    with pytest.raises(PermissionError), platforms.ignore_errno("ENOENT"):
        raise PermissionError(13, "no")


def test_a_callback_of_a_transaction_sends_the_call(tmp_path: Path) -> None:
    database = tmp_path / "django" / "db"
    database.mkdir(parents=True)
    (database.parent / "__init__.py").touch()
    (database / "__init__.py").write_text("from django.db import transaction\n")
    (database / "transaction.py").write_text(
        "def on_commit(call, using=None): waiting.append((call, using))\nwaiting = []\n"
    )
    program = (
        "from umbel.celery import Celery\n"
        "from umbel.celery.contrib.django.task import DjangoTask\n"
        "from django.db import transaction\n"
        "app = Celery('proj', broker='memory://', task_cls=DjangoTask)\n"
        "task = app.task(lambda x: x, name='one')\n"
        "print(task.delay_on_commit(1), task.apply_async_on_commit((2,), using='other', queue='q'))\n"
        "sent = [call() for call, using in transaction.waiting]\n"
        "print([using for _, using in transaction.waiting], [r.sent_to for r in sent])"
    )
    assert said(tmp_path, program) == "None None\n[None, 'other'] ['celery', 'q']"
