"""Packages written for Celery, unmodified from the package index, in what they are for: on Umbel, workers on Redis."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.packages import environment
from tests.seeds.project import Project
from tests.servers import free_port
from tests.worker.fleet import until

PROGRAMS = Path(__file__).with_name("programs")


@pytest.fixture
def program(tmp_path: Path, redis_url: str) -> Iterator[Callable[[str], Project]]:
    """``program(name)``: one of the programs with a worker of two processes, and a console that has its names."""
    bin = environment.need()
    made = Project(tmp_path, bin, environment.variables(bin, CELERY_BROKER_URL=redis_url))

    def start(name: str, *, before: str = "", backend: str = redis_url) -> Project:
        made.environment["CELERY_RESULT_BACKEND"] = backend
        made.write(f"{name}.py", (PROGRAMS / f"{name}.py").read_text())
        made.console(f"import {name}\nfrom {name} import *\n{before}")
        made.worker = made.start(f"celery -A {name} worker --concurrency 2 --loglevel info").says("ready.")
        return made

    yield start
    made.close()


def spans(project: Project, name: str) -> list[dict[str, Any]]:
    """Wait for spans of this name."""
    return [about for _, about in project.notes(name)]


def test_sentry_hears_of_errors_and_spans(program: Callable[[str], Project]) -> None:
    project = program("reported")
    id = project.console(
        "with sentry_sdk.start_transaction(op='web', name='order') as span:\n"
        "    sold = sell.delay('tea'); sold.get(timeout=20)\n"
        "    result = refund.delay('pot'); result.get(timeout=20, propagate=False)\n"
        "    trace = span.trace_id\n"
        "answer = result.id"
    )
    trace = project.console("answer = trace")
    (event,) = [item for _, item in project.notes("event")]
    (error,) = event["exception"]["values"]
    assert (error["type"], error["value"], error["mechanism"]["type"]) == ("LookupError", "pot", "celery")
    assert error["stacktrace"]["frames"][-1]["function"] == "refund"
    assert event["tags"]["celery_task_id"] == id
    assert event["extra"]["celery-job"] == {"task_name": "reported.refund", "args": ["pot"], "kwargs": {}}
    assert event["contexts"]["trace"]["trace_id"] == trace

    told = {item["transaction"]: item for _, item in project.notes("transaction", count=3)}
    assert {item["contexts"]["trace"]["trace_id"] for item in told.values()} == {trace}
    assert [span["op"] for span in told["reported.sell"]["spans"]] == ["queue.process", "shop.count"]
    assert told["reported.sell"]["contexts"]["trace"]["op"] == "queue.task.celery"
    assert told["reported.refund"]["contexts"]["trace"]["status"] == "internal_error"
    submitted = [span["description"] for span in told["order"]["spans"] if span["op"] == "queue.submit.celery"]
    assert submitted == ["reported.sell", "reported.refund"]
    process = told["reported.sell"]["spans"][0]["data"]
    assert (process["messaging.destination.name"], process["messaging.system"]) == ("celery", "redis")
    assert process["messaging.message.receive.latency"] > 0

    retried = project.console("result = again.delay(); answer = result.get(timeout=20)")
    assert len(retried) == 32
    assert [item for _, item in project.noted("event")] == [event], "a retry is no error"


def test_opentelemetry_has_one_trace_from_the_caller_through_a_chain(program: Callable[..., Project]) -> None:
    project = program("traced", before="set_up()")
    assert project.console("answer = build()") == "oak+oak"
    names = ("order", "apply_async/traced.cut", "run/traced.cut", "apply_async/traced.glue", "run/traced.glue")
    (order, sent, cut, passed, glued) = [spans(project, name)[0] for name in names]
    assert {span["trace"] for span in (order, sent, cut, passed, glued)} == {order["trace"]}
    assert [sent["parent"], cut["parent"], glued["parent"]] == [order["span"], sent["span"], passed["span"]]
    assert [sent["kind"], cut["kind"], passed["kind"], glued["kind"]] == ["PRODUCER", "CONSUMER"] * 2
    assert cut["attributes"]["celery.state"] == "SUCCESS"
    assert cut["attributes"]["messaging.destination"] == "celery"
    project.console("burn.delay('pine').get(timeout=20, propagate=False)")
    (burnt,) = spans(project, "run/traced.burn")
    assert (burnt["status"], burnt["events"]) == ("ERROR", ["exception"])


def test_calls_that_are_there_already_are_not_queued_again(program: Callable[[str], Project]) -> None:
    project = program("once")
    run = project.console
    assert run(
        "first, second, other = alone.delay(7), alone.delay(7), alone.delay(8)\n"
        "answer = [first.id == second.id, first.id == other.id]"
    ) == [True, False]
    (project.folder / "alone").touch()
    assert run("answer = [first.get(timeout=20), second.get(timeout=20)]") == [7, 7]
    until(lambda: run("third = alone.delay(7); answer = third.id != first.id"), what="the lock is released")

    refused = "try: {}\nexcept Exception as error: answer = type(error).__name__"
    run("first = per_account.delay('ida', 1)")
    assert run(refused.format("per_account.delay('ida', 2)")) == "DuplicateTaskError"
    (project.folder / "per-account").touch()
    assert run("answer = [first.get(timeout=20), per_account.delay('tom', 3).get(timeout=20)]") == [1, 3]

    run("first = unique.delay(1)")
    assert run(refused.format("unique.delay(1)")) == "AlreadyQueued"
    run("quiet = graceful.delay('k', other=1)")
    assert run("answer = graceful.delay('k', other=2).state") == "REJECTED"
    (project.folder / "unique").touch()
    (project.folder / "graceful").touch()
    assert run("answer = [first.get(timeout=20), quiet.get(timeout=20)]") == [1, 1]
    assert until(
        lambda: run(f"answer = None\n{refused.format('answer = unique.delay(1).get(timeout=20)')}") == 1,
        what="unlocked",
    )


def test_a_flask_factory_under_gunicorn_gives_tasks_its_context(program: Callable[..., Project]) -> None:
    project = program("web")
    port = free_port()
    server = project.start(f"gunicorn --preload --workers 2 --bind 127.0.0.1:{port} web:web").says("Booting worker")

    def asked(path: str) -> Any:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return json.load(answer)

    assert "/umbel/celery/" in asked("/where")["celery"]
    id = asked("/add/2/3")["id"]
    assert asked(f"/result/{id}")["value"] == ["herbs", "hello", 5]
    assert server.stop() == 0


def test_results_in_djangos_database(program: Callable[..., Project]) -> None:
    migrate = "from django.core.management import call_command\ncall_command('migrate', verbosity=0)"
    project = program("stored", before=migrate, backend="")
    run = project.console
    id = run("result = weigh.delay('fig'); answer = result.id")
    assert run("answer = result.get(timeout=20)") == {"thing": "fig", "grams": 30}
    assert run("answer = rows()")[id] == ["SUCCESS", "stored.weigh", '{"thing":"fig","grams":30}']
    failed = run("result = drop.delay('egg'); answer = result.id")
    assert run("answer = repr(result.get(timeout=20, propagate=False))") == "ValueError('egg broke')"
    assert run("answer = rows()")[failed][:2] == ["FAILURE", "stored.drop"]
    assert failed not in run("result.forget(); answer = rows()")
    assert run("answer = balance().get(timeout=20)") == 70


def test_a_program_typed_with_celery_types(program: Callable[..., Project]) -> None:
    python = environment.need() / "python"
    check = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-executable", str(python)]
    done = subprocess.run([*check, str(PROGRAMS / "typed.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    project = program("typed")
    assert project.console("answer = values()") == [5, [0, 2, 4], 6, "Ida after 2", "A"]


def test_pytest_celery_is_imported() -> None:
    bin = environment.need()
    program = "import pytest_celery, celery; print(pytest_celery.CeleryTestSetup.__name__, celery.__file__)"
    done = subprocess.run(
        [bin / "python", "-c", program], env=environment.variables(bin), capture_output=True, text=True, check=True
    )
    name, file = done.stdout.split()
    assert name == "CeleryTestSetup"
    assert "/umbel/" in file
