"""The same program on Umbel and on real Celery: every signal's order, sender and arguments are equal.

What differs on purpose is in ``DIFFERENCES``, and in docs/signals.md with its reason.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.interop.environments import ROOT, need
from tests.interop.fleet import Fleet, whole_lines
from tests.worker.fleet import until

VERSION = "5.7.0"
NODE = "recorder@interop"
DIFFERENCES = {
    ("task_received", "where"),  # on the lane, just before the task starts
    ("task_received", "retries"),  # Celery's request has none
    ("task_revoked", "where"),  # where the task's other signals are
    ("task_unknown", "where"),
    ("task_unknown", "exc"),  # the same KeyError, with advice as its text
    ("before_task_publish", "properties"),  # each has its own; correlation_id is the same
    ("celeryd_init", "options"),  # each has its own
    ("celeryd_init", "instance"),  # Celery's has no attributes yet but its name
}
"""What of a signal is not the same on purpose; docs/signals.md says why."""
VARYING = {"origin", "pid"}
"""What is another's in every run."""
ABSENT = {("hold", "task_postrun")}
"""Celery ends a task by SystemExit, where it is; Umbel ends its process. So is the process's own signal."""

CALLER = """
import sys
from tests.interop.{app} import app
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Caller:
    """A process that has the program and does not work: one line of Python at a time."""

    def __init__(self, command: list[str], app: str, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [*command, "-c", CALLER.format(app=app)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            cwd=ROOT,
        )
        self._answer()

    def do(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self._answer()

    def send(self, task: str, *args: Any, task_id: str, **options: Any) -> None:
        given = ", ".join(f"{name}={value!r}" for name, value in options.items())
        self.do(f"app.send_task('recorded.{task}', {args!r}, task_id={task_id!r}, {given})")

    def _answer(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), "the caller ended"

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Recording:
    """What was heard of one run."""

    def __init__(self, fleet: Fleet, kind: str) -> None:
        self.kind = kind
        self._ledger = fleet.ledger
        self._own = fleet.folder / "called"

    def lines(self) -> list[dict[str, Any]]:
        """In order; ``task_success``, which names no task, is given that of the run before."""
        found, running = [], None
        for text in whole_lines(self._ledger):
            line = json.loads(text)
            if line["signal"] == "task_prerun":
                running = line["id"]
            line["id"] = line["id"] or (running if line["signal"] == "task_success" else None)
            found.append(line)
        return found

    def heard(self, signal: str, id: str) -> bool:
        return any(line["signal"] == signal and line["id"] == id for line in self.lines())

    def of_task(self, id: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["id"] == id]

    def published(self, id: str) -> Any:
        """The properties of a message that the worker published."""
        (line,) = (one for one in self.of_task(id) if one["signal"] == "before_task_publish")
        return line["arguments"]["properties"]

    def of_worker(self) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["id"] is None]


def record(fleet: Fleet, kind: str) -> Recording:
    """Run the whole program: a worker from start to stop, with a task of every fate."""
    app = f"recorded_{kind}"
    command = [str(need(VERSION)) if kind == "celery" else sys.executable]
    heard = Recording(fleet, kind)
    if kind == "celery":
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        node = fleet.celery(VERSION, "-c", "1", "-n", NODE, *quiet, app=app)
    else:
        node = fleet.umbel("-c", "1", "-n", NODE, app=app)
    environment = node_environment(fleet)
    caller = Caller(command, app, environment)
    try:
        _tasks_of_every_fate(caller, heard)
    finally:
        caller.close()
    assert node.stop() == 0
    return heard


def node_environment(fleet: Fleet) -> dict[str, str]:
    """The caller's signals are written elsewhere."""
    return {**fleet.environment, "INTEROP_LEDGER": str(fleet.folder / "called")}


def _tasks_of_every_fate(caller: Caller, heard: Recording) -> None:
    def run(task: str, *args: Any, last: str = "task_postrun", **options: Any) -> None:
        id = options.setdefault("task_id", task)
        caller.send(task, *args, **options)
        until(lambda: heard.heard(last, id), 30, what=f"{last} of {id} on {heard.kind}")

    run("fine", 1)
    run("fail", "x")
    run("expected")
    run("flaky", 1, last="task_success")
    until(lambda: [line["signal"] for line in heard.of_task("flaky")].count("task_postrun") == 2, what="both runs")
    run("hopeless")
    run("ignored")
    run("spawn")
    run("fine", 1, task_id="expired", expires=-60, last="task_revoked")
    if heard.kind == "celery":
        caller.do("app.control.revoke('revoked', reply=True, timeout=10)")
    else:
        caller.do("app.AsyncResult('revoked').revoke()")
    run("fine", 1, task_id="revoked", last="task_revoked")
    run("unknown", task_id="unknown", last="task_unknown")
    run("hold", "never", last="task_prerun")
    verb = "app.control.revoke" if heard.kind == "celery" else "(lambda id, **how: app.AsyncResult(id).revoke(**how))"
    caller.do(f"{verb}('hold', terminate=True)")
    until(lambda: heard.heard("task_revoked", "hold"), 30, what="hold was ended")
    run("fine", 2, task_id="after")


Told = tuple[str, dict[str, Any]]


def shape(line: dict[str, Any]) -> Told:
    """A line to be compared: without what differs on purpose, and without what is another's with every run."""
    name, arguments = line["signal"], dict(line["arguments"])
    request = arguments.get("request")
    if request is not None:
        arguments["request"] = request = dict(request)
    told = {"sender": line["sender"], "where": line["where"], **arguments}
    for place in (told, request or {}, told.get("headers") or {}):
        for key in list(place):
            if (name, key) in DIFFERENCES or key in VARYING:
                del place[key]
    return name, told


def sequence(recording: Recording, id: str | None) -> list[Told]:
    """What was heard of one task, or of the worker itself: in order, but for two places.

    Celery's worker takes a retry in while the task that sent it still runs, and publishes it there and then; Umbel does
    both when the task has ended, in one step with its acknowledgement.
    """
    lines = recording.of_task(id) if id is not None else recording.of_worker()
    told = [shape(line) for line in lines]
    received = [one for one in told if one[0] == "task_received"]
    published = [one for one in told if one[0].endswith("_task_publish")]
    return [*(one for one in told if one not in received and one not in published), *received, *published]


def by_process(told: list[Told]) -> list[Told]:
    """The worker's own and its children's, each in order: which of the two is first to speak is chance in both."""
    return sorted(told, key=lambda one: str(one[1]["where"]))


def order(recording: Recording, id: str) -> list[str]:
    """The names of what was heard of a task."""
    return [line["signal"] for line in recording.of_task(id)]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_signal_is_as_in_celery(make_fleet: Callable[..., Fleet]) -> None:
    theirs = record(make_fleet(), "celery")
    fleet = make_fleet()
    fleet.flush()
    ours = record(fleet, "umbel")
    plain = ["fine", "fail", "expected", "hopeless", "ignored", "spawn", "expired", "revoked", "unknown", "after"]
    for id in plain:
        assert order(theirs, id), f"Celery sent nothing for {id}"
        assert order(ours, id) == order(theirs, id), id
    assert order(theirs, "hold")[:2] == order(ours, "hold")[:2] == ["task_received", "task_prerun"]
    for id in [*plain, "flaky", "hold", "spawned"]:
        assert sequence(ours, id) == [one for one in sequence(theirs, id) if (id, one[0]) not in ABSENT], id
    told = [one for one in sequence(theirs, None) if one[1].get("exitcode", 0) >= 0]
    assert by_process(sequence(ours, None)) == by_process(told)
    assert ours.published("spawned")["correlation_id"] == theirs.published("spawned")["correlation_id"] == "spawned"
