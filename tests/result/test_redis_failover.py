"""A fail-over behind one address: who reads results, or waits for them, ends up at the new master."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.crash.proxy import Proxy
from tests.redis.sentinel import role
from tests.servers import RedisServer
from tests.worker.fleet import until
from umbel import GroupResult, Umbel
from umbel.core.errors import BackendGetMetaError
from umbel.core.record import Record
from umbel.result.redis import RedisStore

PATIENCE = 20.0


class Address(NamedTuple):
    """Two servers, of which the address leads to the first."""

    proxy: Proxy
    old: RedisServer
    new: RedisServer

    def change(self) -> None:
        """The address leads to the other one. The old master is a replica that hears nothing; connections stay."""
        with self.old.client() as client:
            client.replicaof(RedisServer.host, 1)
        until(lambda: role(self.old) == "slave", what="the old master is a replica")
        self.proxy.target = self.new.port

    def finish(self, id: str, server: RedisServer) -> None:
        """As a worker of Celery's."""
        data = msgspec.json.encode(Record("SUCCESS", id, task_id=id))
        with server.client() as client:
            client.set(f"celery-task-meta-{id}", data)
            client.publish(f"celery-task-meta-{id}", data)

    def listened(self, server: RedisServer) -> bool:
        """Whether somebody waits there."""
        with server.client() as client:
            return bool(client.pubsub_channels("celery-task-meta-*"))


@pytest.fixture
def address(own_redis: Callable[..., RedisServer]) -> Iterator[Address]:
    old, new = own_redis(), own_redis()
    with Proxy(old.port) as proxy:
        yield Address(proxy, old, new)


@pytest.fixture
def app(address: Address) -> Iterator[Umbel]:
    with Umbel("moved", broker="memory://", backend=address.proxy.url()) as app:
        yield app


async def follow(app: Umbel) -> Any:
    return await anext(aiter(GroupResult("g", [app.AsyncResult("a")], app=app)))


WAITS: dict[str, Callable[[Umbel], Any]] = {
    "get": lambda app: app.AsyncResult("a").get(timeout=PATIENCE),
    "aget": lambda app: asyncio.run(app.AsyncResult("a").aget(timeout=PATIENCE)),
    "group.get": lambda app: GroupResult("g", [app.AsyncResult("a")], app=app).get(timeout=PATIENCE)[0],
    "async for": lambda app: asyncio.run(asyncio.wait_for(follow(app), PATIENCE)),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_who_waits_hears_of_it_at_the_new_master(address: Address, app: Umbel, wait: Callable[[Umbel], Any]) -> None:
    found = list[Any]()
    thread = threading.Thread(target=lambda: found.append(wait(app)))
    thread.start()
    until(lambda: address.listened(address.old), what="it waits at the old master")
    address.change()
    until(lambda: address.listened(address.new), what="it waits at the new master")
    address.finish("a", address.new)
    thread.join()
    assert found == ["a"]


def test_who_reads_now_and_then_reads_at_the_new_master(address: Address, app: Umbel) -> None:
    async def reads() -> None:
        once = app.AsyncResult("a")
        assert await once.astate() == once.state == "PENDING"
        address.change()
        address.finish("a", address.new)
        until(app.AsyncResult("a").ready, what="a thread reads it")
        async with asyncio.timeout(PATIENCE):
            while not await app.AsyncResult("a").aready():
                await asyncio.sleep(0)

    asyncio.run(reads())


def test_what_a_worker_must_be_sure_of_is_read_at_the_master(address: Address, app: Umbel) -> None:
    """The rest of a chain that is not there is lost, so nobody may look for it at the old master, even for a second."""
    store = app.store
    assert isinstance(store, RedisStore)

    async def reads() -> None:
        assert await store.read(["a"]) == store.sync.read(["a"]) == {}
        address.change()
        address.finish("a", address.new)
        assert set(await store.read(["a"], sure=True)) == set(store.sync.read(["a"], sure=True)) == {"a"}

    asyncio.run(reads())


def test_who_must_be_sure_gets_no_answer_where_there_is_no_master(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis()
    with server.client() as client:
        client.replicaof(RedisServer.host, 1)
    store = RedisStore(server.url(), expires=None, options={"retry_policy": {"max_retries": 1}})
    assert asyncio.run(store.read(["a"])) == store.sync.read(["a"]) == {}
    with pytest.raises(BackendGetMetaError, match="is a read-only replica"):
        asyncio.run(store.read(["a"], sure=True))
    with pytest.raises(BackendGetMetaError, match="is a read-only replica"):
        store.sync.read(["a"], sure=True)
    store.sync.close()


def test_a_replica_serves_where_the_url_leads_to_one(own_redis: Callable[..., RedisServer]) -> None:
    """Results can be read there, though not written; it is left now and then to look for a master."""
    server = own_redis()
    options = {"max_connections": 1}
    with (
        Umbel("reader", broker="memory://", backend=server.url(), result_backend_transport_options=options) as app,
        server.client() as client,
    ):
        client.set("celery-task-meta-a", msgspec.json.encode(Record("SUCCESS", 4, task_id="a")))
        client.replicaof(RedisServer.host, 1)
        before = client.info("stats")["total_connections_received"]
        until(
            lambda: (
                app.AsyncResult("a").result == 4 and client.info("stats")["total_connections_received"] > before + 2
            ),
            what="two new connections",
        )
