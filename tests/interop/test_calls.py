"""One call at a time, both ways, with each version of Celery: what is asked for is what happens."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.interop.fleet import CeleryClient, Fleet
from tests.worker.fleet import until
from umbel.core.errors import TaskRevokedError

WITHIN = 30.0
WHEN = datetime(2026, 11, 20, 15, 36, 22, 847286, tzinfo=UTC)


class TestFromCeleryToUmbel:
    """A Celery caller, an Umbel worker, and Celery reads the result."""

    @pytest.fixture
    def client(self, fleet: Fleet, version: str) -> CeleryClient:
        client = fleet.celery_client(version)
        fleet.umbel("-c", "1", "-Q", "celery,other")
        return client

    def test_calls(self, fleet: Fleet, client: CeleryClient) -> None:
        # One worker for all, because its start is what takes long.
        self.values(client)
        self.times(fleet, client)
        self.priorities_and_queues(fleet, client)
        self.retries(fleet, client)
        self.failures(client)
        self.expiry(client)
        assert all(line["by"] == "umbel" for line in fleet.ran())

    def values(self, client: CeleryClient) -> None:
        assert client.get(client.send("interop.add", args=[2, 3])) == {"value": 5}
        assert client.get(client.send("interop.add", args=[2], kwargs={"y": 40})) == {"value": 42}
        odd = {"text": "grüß 🌿", "none": None, "deep": [[1.5, True]], "big": 2**70}
        assert client.get(client.send("interop.echo", args=[odd], kwargs={"k": odd})) == {
            "value": {"args": [odd], "kwargs": {"k": odd}}
        }

    def times(self, fleet: Fleet, client: CeleryClient) -> None:
        later = client.send("interop.add", args=["countdown ", "1"], countdown=1)
        eta = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()  # noqa: TID251  Celery has no other clock
        sure = client.send("interop.add", args=["eta ", "1"], eta=eta)
        at_once = client.send("interop.add", args=["at ", "once"], expires=60)
        assert client.get(at_once) == {"value": "at once"}
        assert client.get(later) == {"value": "countdown 1"}
        assert client.get(sure) == {"value": "eta 1"}
        order = [line["id"] for line in fleet.ran("add") if line["id"] in (later, sure, at_once)]
        assert order[0] == at_once

    def priorities_and_queues(self, fleet: Fleet, client: CeleryClient) -> None:
        ids = {number: client.send("interop.echo", priority=number) for number in range(10)}
        elsewhere = client.send("interop.echo", queue="other")
        for id in (*ids.values(), elsewhere):
            assert "value" in client.get(id)
        came = {line["id"]: line for line in fleet.ran("echo")}
        assert {number: came[id]["priority"] for number, id in ids.items()} == {n: n for n in range(10)}
        assert came[elsewhere]["queue"] == "other"

    def retries(self, fleet: Fleet, client: CeleryClient) -> None:
        id = client.send("interop.flaky", args=[3])
        assert client.get(id) == {"value": 3}
        assert [line["retries"] for line in fleet.ran("flaky")] == [0, 1, 2, 3]

    def failures(self, client: CeleryClient) -> None:
        boom = {"raised": "Boom", "module": "tests.interop.subjects", "args": ["one", "2"]}
        assert client.get(client.send("interop.boom", args=["one", 2])) == boom
        assert client.get(client.send("interop.hopeless")) == {**boom, "args": ["again"]}
        id = client.send("interop.key_error", args=["k"])
        assert client.get(id) == {"raised": "KeyError", "module": "builtins", "args": ["k"]}
        seen = client.look(id)
        assert seen["state"] == "FAILURE"
        assert "return {}[key]" in seen["traceback"]

    def expiry(self, client: CeleryClient) -> None:
        id = client.send("interop.add", args=[1], expires="2020-01-01T00:00:00+00:00")
        assert client.get(id) == {"raised": "TaskRevokedError", "module": "celery.exceptions", "args": ["expired"]}


class TestFromUmbelToCelery:
    """An Umbel caller, a Celery worker, and Umbel reads the result."""

    @pytest.fixture
    def app(self, fleet: Fleet, version: str) -> Iterator[Any]:
        fleet.celery(version, "-c", "1", "-Q", "celery,other")
        with fleet.umbel_client() as app:
            yield app

    def test_calls(self, fleet: Fleet, app: Any) -> None:
        def send(name: str, *args: Any, **options: Any) -> Any:
            return app.tasks[f"interop.{name}"].apply_async(args, options.pop("kwargs", None), **options)

        self.values(send)
        self.times(fleet, send)
        self.priorities_and_queues(fleet, send)
        self.retries(fleet, send)
        self.failures(send)
        self.expiry(send)
        assert all(line["by"] == "celery" for line in fleet.ran())

    def values(self, send: Callable[..., Any]) -> None:
        assert send("add", 2, 3).get(WITHIN) == 5
        assert send("add", 2, kwargs={"y": 40}).get(WITHIN) == 42
        odd = {"text": "grüß 🌿", "none": None, "deep": [[1.5, True]], "big": 2**70, "when": WHEN}
        assert send("echo", odd, kwargs={"k": odd}).get(WITHIN) == {"args": [odd], "kwargs": {"k": odd}}

    def times(self, fleet: Fleet, send: Callable[..., Any]) -> None:
        later = send("add", "countdown ", "1", countdown=1)
        sure = send("add", "eta ", "1", eta=datetime.now(UTC) + timedelta(seconds=1))  # noqa: TID251
        at_once = send("add", "at ", "once", expires=60)
        assert [one.get(WITHIN) for one in (at_once, later, sure)] == ["at once", "countdown 1", "eta 1"]
        order = [line["id"] for line in fleet.ran("add") if line["id"] in (later.id, sure.id, at_once.id)]
        assert order[0] == at_once.id

    def priorities_and_queues(self, fleet: Fleet, send: Callable[..., Any]) -> None:
        sent = {number: send("echo", priority=number) for number in range(10)}
        elsewhere = send("echo", queue="other")
        for one in (*sent.values(), elsewhere):
            one.get(WITHIN)
        came = {line["id"]: line for line in fleet.ran("echo")}
        assert {number: came[one.id]["priority"] for number, one in sent.items()} == {n: n for n in range(10)}
        assert came[elsewhere.id]["queue"] == "other"

    def retries(self, fleet: Fleet, send: Callable[..., Any]) -> None:
        assert send("flaky", 3).get(WITHIN) == 3
        assert [line["retries"] for line in fleet.ran("flaky")] == [0, 1, 2, 3]

    def failures(self, send: Callable[..., Any]) -> None:
        from tests.interop.subjects import Boom  # noqa: PLC0415  the class is looked up in what is imported

        with pytest.raises(Boom) as caught:
            send("boom", "one", 2).get(WITHIN)
        assert caught.value.args == ("one", 2)
        with pytest.raises(Boom, match="again"):
            send("hopeless").get(WITHIN)
        failed = send("key_error", "k")
        with pytest.raises(KeyError, match="k"):
            failed.get(WITHIN)
        assert failed.state == "FAILURE"
        assert "return {}[key]" in failed.traceback

    def expiry(self, send: Callable[..., Any]) -> None:
        with pytest.raises(TaskRevokedError, match="expired"):
            send("add", 1, expires=WHEN - timedelta(days=1000)).get(WITHIN)


def test_custom_states_are_seen_across(fleet: Fleet, version: str) -> None:
    client = fleet.celery_client(version)
    fleet.umbel()
    gate = fleet.folder / "gate"
    id = client.send("interop.custom_state", args=[str(gate)])
    until(lambda: fleet.ran("custom_state"), WITHIN, what="the task runs")
    assert client.look(id) == {"state": "PROGRESS", "info": "{'done': 3}", "traceback": None}
    gate.touch()
    assert client.get(id) == {"value": None}


def test_results_that_celery_stored_are_read_and_the_other_way(fleet: Fleet, version: str) -> None:
    client = fleet.celery_client(version)
    with fleet.umbel_client() as app:
        client.store("one", result={"x": [1]}, state="SUCCESS")
        assert app.AsyncResult("one").get(WITHIN) == {"x": [1]}
        record = app.store.sync.read(["one"])["one"]
        record.task_id = "two"
        app.store.sync.write([record])
        assert client.get("two") == {"value": {"x": [1]}}
        app.store.sync.forget(["one"])
        assert client.look("one")["state"] == "PENDING"
