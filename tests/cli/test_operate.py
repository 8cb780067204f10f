"""What an operator asks: queues, tasks, bindings, dead letters, purge, report; and what is wrong with a broker."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_tasks_with_their_arguments(umbel: Run, tasks: Path) -> None:
    lines = umbel("-A", "tasks", "tasks").stdout.splitlines()
    assert lines[1].split(maxsplit=1) == ["tasks.add", "(x: int, y: int) -> int"]


def test_umbels_own_tasks_are_nobodys_to_call(umbel: Run, tasks: Path) -> None:
    listed = json.loads(umbel("-A", "tasks", "tasks", "--json").stdout)
    assert {one["name"].partition(".")[0] for one in listed} == {"tasks"}
    assert "umbel.rest" not in umbel("-A", "tasks", "call", "nope").stderr


def test_calls_are_revoked_by_id(umbel: Run, tasks: Path) -> None:
    task_id = umbel("-A", "tasks", "call", "add", "2", "2").stdout.strip()
    assert umbel("-A", "tasks", "tasks", "revoke", task_id, "other", task_id).stdout == "revoked 2\n"
    shown = umbel("-A", "tasks", "tasks", "revoke", "other", "--terminate", "--signal", "term", "--json").stdout
    assert json.loads(shown) == {"revoked": ["other"]}
    refused = umbel("-A", "tasks", "tasks", "revoke", task_id, "--terminate", "--signal", "SIGNONE")
    assert (refused.returncode, "no signal 'SIGNONE' on this system" in refused.stderr) == (2, True)
    refused = umbel("-A", "tasks", "tasks", "revoke", task_id, "--signal", "SIGTERM")
    assert (refused.returncode, "say --terminate too" in refused.stderr) == (2, True)
    refused = umbel("-A", "tasks", "tasks", "revoke")
    assert (refused.returncode, "by their ids, or by --stamp" in refused.stderr) == (2, True)


def test_calls_are_revoked_by_stamp(umbel: Run, tasks: Path) -> None:
    words = ("-A", "tasks", "tasks", "revoke", "--stamp", "order=A-7", "--stamp", "order=A=8")
    assert umbel(*words).stdout == "revoked all that carry order=A-7 or order=A=8\n"
    assert json.loads(umbel(*words, "--terminate", "--json").stdout) == {"stamps": {"order": ["A-7", "A=8"]}}
    refused = umbel("-A", "tasks", "tasks", "revoke", "--stamp", "order")
    assert (refused.returncode, "a stamp is given as KEY=VALUE" in refused.stderr) == (2, True)


def test_bindings(umbel: Run, module: Callable[..., Path]) -> None:
    module("tasks", "from umbel import Umbel\napp = Umbel('tasks', task_queues=['one', 'two'])\n")
    shown = json.loads(umbel("-A", "tasks", "list", "bindings", "--json").stdout)
    assert [row["queue"] for row in shown] == ["one", "two"]
    assert umbel("-A", "tasks", "list").stdout.startswith("Usage: umbel list")


def test_purge_asks_first(umbel: Run, tasks: Path) -> None:
    for _ in range(3):
        umbel("-A", "tasks", "call", "add", "2", "2")
    refused = umbel("-A", "tasks", "purge", given="n\n")
    assert refused.returncode == 1
    assert "deletes 3 waiting messages from celery" in refused.stderr
    done = umbel("-A", "tasks", "purge", "--force")
    assert (done.returncode, done.stdout) == (0, "deleted 3 messages from celery\n")
    assert json.loads(umbel("-A", "tasks", "purge", "-f", "--json").stdout) == {"celery": 0}


def test_purge_of_one_queue_leaves_the_others(umbel: Run, tasks: Path) -> None:
    umbel("-A", "tasks", "call", "add", "2", "2", "--queue", "other")
    umbel("-A", "tasks", "call", "add", "2", "2")
    assert umbel("-A", "tasks", "purge", "-f", "-X", "other").stdout == "deleted 1 message from celery\n"
    assert umbel("-A", "tasks", "purge", "-f", "-Q", "other").stdout == "deleted 1 message from other\n"


def test_an_unknown_queue_is_named_with_those_there_are(umbel: Run, tasks: Path) -> None:
    done = umbel("-A", "tasks", "purge", "-f", "-Q", "cellery")
    assert (done.returncode, done.stderr) == (1, "umbel: no queue named 'cellery'; there is celery\n")


def test_dead_letters_are_listed_shown_sent_again_and_deleted(umbel: Run, worker: object) -> None:
    assert umbel("-A", "tasks", "dead").stderr == "no dead letters\n"
    task_id = umbel("-A", "tasks", "call", "divide", "1", "0", "--wait").stdout.strip()
    listed = json.loads(umbel("-A", "tasks", "dead", "--json").stdout)
    assert [(letter["task_id"], letter["reason"]) for letter in listed] == [(task_id, "failed")]
    assert "tasks.divide" in umbel("-A", "tasks", "dead").stdout
    shown = umbel("-A", "tasks", "dead", "show", task_id).stdout
    assert "ZeroDivisionError" in shown
    assert "(1, 0)" in shown
    assert umbel("-A", "tasks", "dead", "retry", task_id).stdout == "1 sent again\n"
    umbel("-A", "tasks", "call", "divide", "1", "0", "--wait")
    assert umbel("-A", "tasks", "dead", "delete", "--all").stdout.endswith(" deleted\n")
    assert json.loads(umbel("-A", "tasks", "dead", "list", "--json").stdout) == []


@pytest.mark.parametrize("command", [("show", "nonesuch"), ("retry", "nonesuch"), ("delete", "nonesuch"), ("retry",)])
def test_a_dead_letter_that_is_not_there(umbel: Run, tasks: Path, command: tuple[str, ...]) -> None:
    done = umbel("-A", "tasks", "dead", *command)
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1


def test_report_masks_secrets(umbel: Run, module: Callable[..., Path]) -> None:
    module("tasks", "from umbel import Umbel\napp = Umbel('tasks', my_api_key='hush', task_acks_late=False)\n")
    said = umbel("-A", "tasks", "report").stdout
    assert "hush" not in said
    assert "task_acks_late = False" in said
    assert "one step" in said
    assert json.loads(umbel("report", "--json").stdout)["python"]


def test_a_broker_is_enough_where_no_task_is_needed(umbel: Run, tasks: Path, folder: Path) -> None:
    umbel("-A", "tasks", "call", "add", "2", "2")
    shown = json.loads(umbel("queues", "--json", "-b", f"sqlite:///{folder}/umbel.db").stdout)
    assert [(queue["queue"], queue["ready"]) for queue in shown] == [("celery", 1)]


@pytest.mark.parametrize("scheme", ["amqp", "nonesuch"])
def test_a_broker_that_is_not_built_is_one_line(umbel: Run, tasks: Path, scheme: str) -> None:
    done = umbel("-A", "tasks", "-b", f"{scheme}://localhost", "queues")
    assert done.returncode == 1
    assert "sqlite" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [("queues",), ("call", "add", "2", "2"), ("worker", "-c", "1"), ("dead",)])
def test_a_corrupt_database_is_one_line(umbel: Run, tasks: Path, folder: Path, command: tuple[str, ...]) -> None:
    (folder / "umbel.db").write_bytes(b"this is no database at all" * 1000)
    done = umbel("-A", "tasks", *command)
    assert done.returncode == 1
    assert "umbel.db" in done.stderr
    assert "Traceback" not in done.stderr
