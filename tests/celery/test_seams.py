"""The places where packages take hold of Celery: tracers, backends, steps, messages of their own. With one worker."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.celery.programs import run

SHOP = '''\
import json
import threading
from pathlib import Path

from celery import Celery, bootsteps, states
from celery.app import trace
from celery.backends.base import KeyValueStoreBackend
from kombu import Connection, Consumer, Exchange, Queue

HERE = Path(__file__).parent


def say(name, *parts):
    with (HERE / name).open("a") as file:
        file.write(" ".join(map(str, parts)) + "\\n")


class Files(KeyValueStoreBackend):
    """Keeps results as files."""

    def _store_result(self, task_id, result, state, traceback=None, request=None, **more):
        say("requests", request.task, getattr(request, "trace_id", None), request.argsrepr, request.id == task_id)
        return super()._store_result(task_id, result, state, traceback, request, **more)

    def get(self, key):
        path = HERE / key.decode()
        return path.read_bytes() if path.exists() else None

    def set(self, key, value):
        say("threads", threading.current_thread().name)
        (HERE / key.decode()).write_bytes(value if isinstance(value, bytes) else value.encode())

    def delete(self, key):
        (HERE / key.decode()).unlink(missing_ok=True)


app = Celery("shop", broker="sqlite:///shop.db", backend="shop:Files")
app.conf.task_queues = [Queue("celery")]
app.conf.task_track_started = True
news = Queue("news", Exchange("news"), routing_key="news")

build = trace.build_tracer


def standing_around(name, task, *args, **kwargs):
    say("built", name)
    run = build(name, task, *args, **kwargs)

    def tracer(uuid, args, kwargs, request=None):
        if name == "shop.untraced":
            return None
        if name == "shop.barred":
            raise PermissionError("not today")
        found = run(uuid, args, kwargs, request)
        say("traced", name, found.retval, request.get("headers"), found.info.state if found.info else None)
        return found

    return tracer


trace.build_tracer = standing_around


@app.task
def double(x):
    return x * 2


@app.task
def fail():
    raise ValueError("no")


@app.task(bind=True)
def own(self):
    return self.request.trace_id, self.request.get("other"), getattr(self.request, "missing", "none")


@app.task
def untraced():
    return 1


@app.task
def barred():
    return 1


class Probe(bootsteps.StartStopStep):
    requires = {"celery.worker.components:Timer"}

    def __init__(self, worker, **options):
        say("steps", "made", worker.hostname.split("@")[0], options["pool"])
        self.tref = None

    def start(self, worker):
        self.tref = worker.timer.call_repeatedly(0.02, self.touch, (worker,), priority=10)

    def touch(self, worker):
        say("alive", threading.current_thread().name)

    def stop(self, worker):
        say("steps", "stopped")


class News(bootsteps.ConsumerStep):
    def get_consumers(self, channel):
        return [Consumer(channel, queues=[news], callbacks=[self.on_news], accept=["json"])]

    def on_news(self, body, message):
        say("news", json.dumps(body), message.headers.get("by"), message.delivery_info["routing_key"])
        message.ack()


app.steps["worker"].add(Probe)
app.steps["consumer"].add(News)
'''

PROGRAM = """\
import json
import shop
from celery.backends.base import BaseBackend

said = {}
with shop.app.Worker(concurrency=1, pool="prefork") as worker:
    turned = shop.threading.Event()
    said["turn"] = worker.call_soon(turned.set) and turned.wait(60)
    calls = [shop.double.delay(4), shop.double.delay(5), shop.fail.delay(), shop.untraced.delay(), shop.barred.delay()]
    own = shop.own.apply_async(headers={"trace_id": "t1", "other": [1]})
    with shop.app.producer_or_acquire() as producer:
        producer.publish({"hello": 1}, exchange=shop.news.exchange, routing_key="news", declare=[shop.news],
                         serializer="json", headers={"by": "me"}, retry=True)
    said["values"] = [repr(call.get(timeout=60, propagate=False)) for call in calls]
    said["own"] = own.get(timeout=60)
    backend = shop.app.backend
    said["backend"] = [type(backend).__name__, isinstance(backend, BaseBackend)]
    said["states"] = [backend.get_state(call.id) for call in calls]
    said["meta"] = backend.get_task_meta(calls[2].id)["result"].args
    said["unknown"] = backend.get_state("nobody")
    calls[0].forget()
    said["forgotten"] = calls[0].state
    waits = shop.threading.Event()
    while not (shop.HERE / "news").exists() or not (shop.HERE / "alive").exists():
        waits.wait(0.01)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("seams")
    (folder / "shop.py").write_text(SHOP)
    done = run(folder, "-c", PROGRAM, alias=True)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**said, "folder": folder, "log": done.stderr}


def lines(told: dict[str, Any], name: str) -> list[str]:
    path: Path = told["folder"] / name
    return path.read_text().splitlines() if path.exists() else []


def test_a_tracer_is_built_once_for_each_task_and_runs_every_call(told: dict[str, Any]) -> None:
    assert sorted(lines(told, "built")) == ["shop.barred", "shop.double", "shop.fail", "shop.own", "shop.untraced"]
    traced = lines(told, "traced")
    assert traced[:3] == ["shop.double 8 {} None", "shop.double 10 {} None", "shop.fail no {} FAILURE"]


def test_a_tracer_that_raises_or_does_not_run_the_task_fails_it(told: dict[str, Any]) -> None:
    untraced, barred = told["values"][3:]
    assert "returned and did not run the task" in untraced
    assert barred == "PermissionError('not today')"
    assert told["states"] == ["SUCCESS", "SUCCESS", "FAILURE", "FAILURE", "FAILURE"]


def test_the_callers_own_headers_are_attributes_of_the_request(told: dict[str, Any]) -> None:
    assert told["own"] == ["t1", [1], "none"]


def test_results_are_kept_by_a_backend_of_ones_own(told: dict[str, Any]) -> None:
    assert told["values"][:3] == ["8", "10", "ValueError('no')"]
    assert told["backend"] == ["Files", True]
    assert (told["meta"], told["unknown"], told["forgotten"]) == (["no"], "PENDING", "PENDING")
    requests = lines(told, "requests")
    of_one = {line for line in requests if line.startswith("shop.own")}
    assert of_one == {"shop.own t1 () True"}, "it is shown the call, as it starts and as it ends"
    assert "shop.double None (4,) True" in requests
    assert set(lines(told, "threads")) == {"umbel-backend"}, "its code never runs on a loop"


def test_a_step_is_made_started_and_stopped_and_its_timer_runs_on_a_thread_of_its_own(told: dict[str, Any]) -> None:
    assert lines(told, "steps") == ["made celery prefork", "stopped"]
    assert set(lines(told, "alive")) == {"umbel-timer"}
    assert told["turn"], "the timer asks the worker's loop whether it turns"


def test_a_consumer_step_takes_messages_that_are_no_tasks(told: dict[str, Any]) -> None:
    assert lines(told, "news") == ['{"hello": 1} me news']


MORE = """\
import click
from celery import Celery, bootsteps
from celery.exceptions import WorkerShutdown

app = Celery("more", broker="sqlite:///more.db")
app.user_options["worker"].add(click.Option(["--extra"], type=int, default=1, help="How much more."))


class Step(bootsteps.StartStopStep):
    def __init__(self, worker, extra=None, **options):
        print("step", extra, worker.user_options)

    def start(self, worker):
        raise WorkerShutdown(3)


app.steps["worker"].add(Step)
"""


def test_steps_are_given_the_options_that_the_application_added_and_may_end_the_worker(tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text(MORE)
    done = run(tmp_path, "-m", "celery", "-A", "more", "worker", "-P", "solo", "--extra", "5", alias=True)
    assert done.returncode == 3, done.stderr
    assert "step 5 {'extra': 5}" in done.stderr, "standard output of a worker goes to its log"
