"""Redis takes connections and answers nothing: whoever gave a time gets it kept, and nobody is kept for ever."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.servers import RedisServer
from tests.worker.fleet import until
from umbel import GroupResult, Umbel
from umbel.core.errors import BackendGetMetaError
from umbel.exceptions import TimeoutError
from umbel.result.redis import RedisStore, line

TIME = 0.3


@pytest.fixture
def server(own_redis: Callable[..., RedisServer]) -> RedisServer:
    return own_redis()


@pytest.fixture
def app(server: RedisServer) -> Iterator[Umbel]:
    with Umbel("hung", broker=server.url(0), backend=server.url(1)) as app:
        yield app


async def follow(group: GroupResult) -> None:
    async for _ in group.aiterate(TIME):
        pass


@pytest.mark.parametrize("reached", [True, False], ids=["reached before", "never reached"])
@pytest.mark.parametrize(
    "wait",
    [
        lambda app: app.AsyncResult("a", parent=app.AsyncResult("before")).get(timeout=TIME),
        lambda app: asyncio.run(app.AsyncResult("a").aget(timeout=TIME)),
        lambda app: GroupResult("g", [app.AsyncResult("a")], app=app).get(timeout=TIME),
        lambda app: asyncio.run(GroupResult("g", [app.AsyncResult("a")], app=app).aget(timeout=TIME)),
        lambda app: list(GroupResult("g", [app.AsyncResult("a")], app=app).iterate(timeout=TIME)),
        lambda app: asyncio.run(follow(GroupResult("g", [app.AsyncResult("a")], app=app))),
    ],
    ids=["get", "aget", "group.get", "group.aget", "group.iterate", "group.aiterate"],
)
def test_a_wait_ends_in_its_time(server: RedisServer, app: Umbel, wait: Callable[[Umbel], Any], reached: bool) -> None:
    if reached:
        assert app.AsyncResult("a").state == "PENDING"
    server.freeze()
    with pytest.raises(TimeoutError, match=f"the result store gave no answer within {TIME} s"):
        wait(app)


@pytest.mark.parametrize("how", ["get", "aget"])
def test_a_wait_that_has_begun_ends_in_its_time(server: RedisServer, app: Umbel, how: str) -> None:
    """It hangs while somebody listens: also that somebody's last look is given up."""
    raised = list[BaseException]()

    def wait() -> None:
        try:
            result = app.AsyncResult("a")
            result.get(timeout=2) if how == "get" else asyncio.run(result.aget(timeout=2))
        except BaseException as error:  # noqa: BLE001  told below
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    with server.client(1) as look:
        until(lambda: look.pubsub_channels("*"), what="it listens")
    server.freeze()
    thread.join()
    assert [type(error) for error in raised] == [TimeoutError]


def test_many_threads_that_wait_connect_in_their_own_time(server: RedisServer, app: Umbel) -> None:
    """One that may take long to connect keeps no other one."""
    store = app.store
    assert isinstance(store, RedisStore)
    line = store.sync._line
    server.freeze()
    patient = threading.Thread(target=store.sync.wait, args=(["a"], 60))
    patient.start()
    until(line._connecting.locked, what="one connects")
    store.sync.wait(["b"], 0.01)
    assert line._connecting.locked()
    server.thaw()
    line.wait([b"c"], lambda names, found: True, 1)
    with server.client(1) as look:
        until(lambda: look.pubsub_channels("*"), what="the patient one listens")
        look.publish(f"{store.prefix}a", b"{}")
    patient.join()


def test_looking_for_a_worker_takes_no_more_time_than_the_wait_has(
    own_redis: Callable[..., RedisServer], server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results can be read, and it is the broker that hangs."""
    broker = own_redis()
    with Umbel("hung", broker=broker.url(), backend=server.url()) as app:
        producer, deadlines = app.sync_producer, list[float]()
        survey = producer.survey

        def surveyed(queues: Any, *, deadline: float = 60.0) -> Any:
            deadlines.append(deadline)
            return survey(queues, deadline=deadline)

        monkeypatch.setattr(producer, "survey", surveyed)
        broker.freeze()
        with pytest.raises(TimeoutError, match="no result of a within 3 s"):
            app.AsyncResult("a", queue="nobodys").get(timeout=3)
    assert len(deadlines) == 1
    assert deadlines[0] <= 1


@pytest.mark.parametrize("policy", [None, {"max_retries": 2, "interval_step": 0}], ids=["ours", "somebody's"])
def test_a_read_is_attempted_once_where_no_answer_came(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, policy: dict[str, Any] | None
) -> None:
    store = RedisStore(server.url(), expires=None, options={"socket_timeout": 0.1, "retry_policy": policy})
    attempts, attempt = list[float](), store.sync._try

    def counted(sent: Any, timeout: float, *, sure: bool) -> list[Any]:
        attempts.append(timeout)
        return attempt(sent, timeout, sure=sure)

    monkeypatch.setattr(store.sync, "_try", counted)
    server.freeze()
    with pytest.raises(BackendGetMetaError, match=r"did not answer"):
        store.sync.read(["a"])
    assert len(attempts) == (1 if policy is None else 3)
    with pytest.raises(BackendGetMetaError, match=r"did not answer"):
        asyncio.run(store.read(["a"]))
    store.sync.close()


def test_who_has_no_more_time_leaves_the_connection_to_others_unless_it_is_long_silent(
    server: RedisServer, app: Umbel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read() -> None:
        store = app.store
        assert isinstance(store, RedisStore)
        assert await store.read(["a"]) == {}
        connection = await (await store._lines.get()).connection()
        server.freeze()
        patient = asyncio.create_task(store.read(["a"]))
        with pytest.raises(TimeoutError):
            await app.AsyncResult("a").aget(timeout=TIME)
        server.thaw()
        assert await patient == {}
        assert connection.closed is None
        server.freeze()
        while connection.closed is None:
            with pytest.raises(TimeoutError):
                await app.AsyncResult("a").aget(timeout=TIME)

    monkeypatch.setattr(line, "HUNG", 1.0)
    asyncio.run(read())
