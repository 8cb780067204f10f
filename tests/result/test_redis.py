"""Results in Redis: what lies there for others to see, and waiting for it from many threads, loops and processes."""

import asyncio
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from tests.servers import GivenServer, RedisServer
from tests.wire import golden
from tests.worker.fleet import until
from umbel import Umbel
from umbel.core.errors import BackendGetMetaError, BackendStoreError, ImproperlyConfigured, UmbelWarning
from umbel.core.record import Record
from umbel.result.lookup import open_store
from umbel.result.redis import RedisStore, channels, patience, shared_line
from umbel.result.redis.shared_line import SharedLine
from umbel.runtime.clock import SYSTEM

ID = "11111111-2222-3333-4444-555555555555"
KEY = f"celery-task-meta-{ID}"
PATIENCE = 20.0
SUCCESS = Record("SUCCESS", 4, children=[], date_done="2026-11-20T17:00:00+00:00", task_id=ID)

MakeStore = Callable[..., RedisStore]


@pytest.fixture
def make(redis_url: str) -> Iterator[MakeStore]:
    made: list[RedisStore] = []

    def make(expires: float | None = 86400.0, url: str = redis_url, **options: Any) -> RedisStore:
        made.append(RedisStore(url, expires=expires, options=options))
        return made[-1]

    yield make
    for store in made:
        store.sync.close()


@pytest.fixture
def client(redis_server: RedisServer | GivenServer, redis_db: int) -> Iterator[Any]:
    with redis_server.client(redis_db) as client:
        yield client


# What lies in Redis ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="no redis-cli")
def test_redis_cli_shows_what_celery_would_have_written(make: MakeStore, redis_url: str) -> None:
    def cli(*words: str) -> str:
        run = subprocess.run(["redis-cli", "-u", redis_url, *words], capture_output=True, text=True, check=True)
        return run.stdout.strip()

    make().sync.write([SUCCESS])
    assert cli("keys", "*") == KEY
    assert cli("type", KEY) == "string"
    assert cli("ttl", KEY) == "86400"
    assert json.loads(cli("get", KEY)) == {
        **json.loads(golden.result("5.7.0", "success")),
        "children": [],
        "date_done": "2026-11-20T17:00:00+00:00",
    }


def test_a_result_is_told_on_the_channel_of_its_key(make: MakeStore, client: Any) -> None:
    heard = client.pubsub()
    heard.subscribe(KEY)
    assert heard.get_message(timeout=PATIENCE)["type"] == "subscribe"
    make().sync.write([SUCCESS])
    assert heard.get_message(timeout=PATIENCE)["data"] == client.get(KEY)
    heard.close()


@pytest.mark.parametrize(("expires", "ttl"), [(None, -1), (600.0, 600), (0.2, 1), (90.9, 90)])
def test_times_to_live(make: MakeStore, client: Any, expires: float | None, ttl: int) -> None:
    make(expires).sync.write([SUCCESS])
    assert client.ttl(KEY) == ttl


@pytest.mark.parametrize(
    ("prefix", "key"),
    [("px", f"px_{KEY}"), ("px.", f"px.{KEY}"), ("px:", f"px:{KEY}"), ("px-", f"px-{KEY}"), ("px_", f"px_{KEY}")],
)
def test_a_prefix_is_separated_as_celery_does(make: MakeStore, client: Any, prefix: str, key: str) -> None:
    store = make(global_keyprefix=prefix)
    store.sync.write([SUCCESS])
    assert client.keys() == [key.encode()]
    assert store.sync.read([ID]) == {ID: SUCCESS}
    assert store.compile(SUCCESS)[2] == key


def test_a_write_is_compiled_for_the_brokers_own_step(make: MakeStore, redis_db: int) -> None:
    kind, db, key, ttl, data = make(expires=60.0).compile(SUCCESS)
    assert (kind, db, key, ttl) == ("result", redis_db, KEY, 60)
    assert msgspec.json.decode(data)["status"] == "SUCCESS"
    assert make(expires=None).compile(SUCCESS)[3] == 0


@pytest.mark.parametrize("version", golden.VERSIONS)
@pytest.mark.parametrize("name", sorted(golden.REDIS["5.7.0"]["results"]))
def test_whatever_celery_left_is_read(make: MakeStore, client: Any, version: str, name: str) -> None:
    client.set(KEY, golden.result(version, name))
    (record,) = make().sync.read([ID]).values()
    assert record.task_id == ID
    if name.startswith("compressed"):
        assert record.result == "x" * 1000


@pytest.mark.parametrize("version", golden.VERSIONS)
def test_a_success_that_celery_wrote_is_not_overwritten_either(make: MakeStore, client: Any, version: str) -> None:
    client.set(KEY, golden.result(version, "success"))
    make().sync.write([Record("FAILURE", task_id=ID)])
    assert client.get(KEY) == golden.result(version, "success")
    client.set(KEY, golden.result(version, "failure"))
    make().sync.write([SUCCESS])
    assert make().sync.read([ID]) == {ID: SUCCESS}


def test_nothing_is_told_of_a_write_that_was_not_done(make: MakeStore, client: Any) -> None:
    make().sync.write([SUCCESS])
    heard = client.pubsub()
    heard.subscribe(KEY, "end")
    assert [heard.get_message(timeout=PATIENCE)["type"] for _ in range(2)] == ["subscribe"] * 2
    make().sync.write([Record("FAILURE", task_id=ID)])
    client.publish("end", "end")
    assert heard.get_message(timeout=PATIENCE)["channel"] == b"end"
    heard.close()


def test_the_server_may_forget_the_script(make: MakeStore, client: Any) -> None:
    store = make()
    store.sync.write([Record("STARTED", task_id=ID)])
    client.script_flush()
    store.sync.write([Record("STARTED", task_id="other"), SUCCESS])
    assert {one.status for one in store.sync.read([ID, "other"]).values()} == {"SUCCESS", "STARTED"}
    client.script_flush()
    asyncio.run(store.write([Record("SUCCESS", task_id="third")]))
    assert store.sync.read(["third"])["third"].status == "SUCCESS"


# What can be wrong ----------------------------------------------------------------------------------------------------


def test_what_is_no_result_says_which_key(make: MakeStore, client: Any) -> None:
    client.set(KEY, b"garbage")
    with pytest.raises(BackendGetMetaError, match=f"holds as {KEY} is no result"):
        make().sync.read([ID])


def test_a_key_of_another_type_refuses_one_write_only(make: MakeStore, client: Any) -> None:
    client.lpush(KEY, "a list")
    with pytest.raises(BackendStoreError, match="a key of another type"):
        make().sync.write([SUCCESS, Record("SUCCESS", task_id="other")])
    assert set(make().sync.read(["other"])) == {"other"}
    with pytest.raises(BackendStoreError) as caught:
        make().sync.write([SUCCESS])
    assert (caught.value.state, caught.value.task_id) == ("SUCCESS", ID)


def test_a_server_that_is_away_is_named_after_some_patience(own_redis: Any, make: MakeStore) -> None:
    server = own_redis()
    store = make(url=server.url(), retry_policy={"max_retries": 2, "interval_step": 0.01})
    server.kill()
    with pytest.raises(BackendGetMetaError, match=f"{server.port}/0 cannot be reached: Connection refused"):
        store.sync.read([ID])
    with pytest.raises(BackendStoreError, match="cannot be reached"):
        store.sync.write([SUCCESS])
    with pytest.raises(BackendGetMetaError, match="cannot be reached"):
        asyncio.run(store.read([ID]))
    with pytest.raises(BackendStoreError, match="cannot be reached"):
        asyncio.run(store.write([SUCCESS]))


def test_celerys_policy_of_retries_is_read() -> None:
    assert list(patience.pauses({"max_retries": 4, "interval_start": 0, "interval_step": 1, "interval_max": 2})) == [
        *(0.0, 1.0, 2.0, 2.0)
    ]
    assert sum(patience.pauses(None)) <= 5
    forever = patience.pauses({"max_retries": None})
    assert [next(forever) for _ in range(100)][-1] == 1.0


def test_a_url_is_checked_before_anything_is_sent() -> None:
    with pytest.raises(ImproperlyConfigured, match="the database of a Redis URL is a number"):
        open_store("redis://localhost/zero", expires=None)
    for option in ("socket_timeout", "max_connections"):
        with pytest.raises(ImproperlyConfigured, match=f"{option} of a Redis URL is a number above 0, not 'x'"):
            open_store(f"redis://localhost?{option}=x", expires=None)
    with pytest.warns(UmbelWarning, match="has no option 'bogus', it is not used"):
        open_store("redis://localhost?bogus=1", expires=None)
    for url in ("redis://h", "rediss://h", "redis+socket:///tmp/redis.sock", "redis://h?visibility_timeout=9"):
        assert isinstance(open_store(url, expires=None), RedisStore)


# Waiting --------------------------------------------------------------------------------------------------------------


def listeners(client: Any) -> int:
    """Connections of the database that subscribe to something."""
    own = str(client.get_connection_kwargs()["db"])
    return sum(int(one["sub"]) > 0 for one in client.client_list() if one["db"] == own)


def subscribed(client: Any, count: int) -> None:
    """Wait until so many channels have a listener."""
    until(lambda: len(client.pubsub_channels(f"*{ID[:8]}*")) == count, PATIENCE, what=f"{count} channels")


def ids(count: int) -> list[str]:
    return [f"{ID[:8]}-{n}" for n in range(count)]


def finish(client: Any, task_id: str) -> None:
    """As a Celery worker: SETEX and PUBLISH."""
    data = msgspec.json.encode(Record("SUCCESS", task_id, task_id=task_id))
    client.set(f"celery-task-meta-{task_id}", data, ex=60)
    client.publish(f"celery-task-meta-{task_id}", data)


def test_many_threads_wait_on_one_connection(make: MakeStore, client: Any) -> None:
    store, found = make(), {}
    before = threading.active_count()

    def get(task_id: str) -> None:
        while not (record := store.sync.read([task_id])):
            store.sync.wait([task_id], PATIENCE)
        found.update(record)

    threads = [threading.Thread(target=get, args=(task_id,)) for task_id in ids(40)]
    for thread in threads:
        thread.start()
    subscribed(client, 40)
    assert listeners(client) == 1
    assert threading.active_count() == before + len(threads)
    for task_id in ids(40):
        finish(client, task_id)
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(found) == sorted(ids(40))
    subscribed(client, 0)


def test_an_end_that_a_wait_heard_of_is_not_asked_for_again_but_once(make: MakeStore, client: Any) -> None:
    store = make()

    def told(state: str) -> Record:
        """Wait in this thread until another has told this state, of which the server keeps nothing."""

        def write() -> None:
            subscribed(client, 1)
            client.publish(KEY, msgspec.json.encode(Record(state, 7, task_id=ID)))

        subscribed(client, 0)
        writer = threading.Thread(target=write)
        writer.start()
        store.sync.wait([ID], PATIENCE)
        writer.join()
        return store.sync.read([ID]).get(ID) or Record("nothing")

    assert told("PROGRESS").status == "nothing", "what is no end may have changed since: it is asked for"
    assert told("SUCCESS").result == 7
    assert store.sync.read([ID]) == {}
    told("FAILURE")
    store.sync.forget([ID])
    assert store.sync.read([ID]) == {}


def test_who_stops_reading_hands_over_to_one_who_still_waits(make: MakeStore) -> None:
    line = SharedLine(make().place, SYSTEM)
    reader, *waiters = (shared_line._Waiter(lambda names, found: False) for _ in range(4))
    *done, waits = waiters
    for waiter in done:
        waiter.wake()
        waiter.gate.clear()
    line._waiters = {reader, *waiters}
    line._read_by = reader
    line._leave([], reader)
    assert waits.gate.is_set()
    waits.gate.clear()
    line._leave([], done[0])  # nobody reads yet: whoever was woken may have been on its way out
    assert waits.gate.is_set()


def test_many_coroutines_wait_on_one_connection(make: MakeStore, client: Any) -> None:
    store = make()

    async def get(task_id: str) -> str:
        while not (record := await store.read([task_id])):
            await store.wait([task_id], PATIENCE)
        return str(record[task_id].result)

    async def main() -> None:
        waiting = [asyncio.create_task(get(task_id)) for task_id in ids(200)]
        await asyncio.to_thread(subscribed, client, 200)
        assert listeners(client) == 1
        for task_id in ids(200):
            await asyncio.to_thread(finish, client, task_id)
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.gather(*waiting) == ids(200)
        await asyncio.to_thread(subscribed, client, 0)

    asyncio.run(main())


def test_a_result_that_comes_before_the_subscription_is_seen(make: MakeStore, client: Any) -> None:
    store = make()
    assert store.sync.read([ID]) == {}
    finish(client, ID)
    store.sync.wait([ID], PATIENCE * 10)
    assert store.sync.read([ID])[ID].status == "SUCCESS"


def test_a_result_that_comes_before_the_subscription_is_seen_by_all_who_wait_for_it(
    make: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    store.sync.write([SUCCESS])
    begun = SYSTEM.monotonic()

    async def body() -> None:
        await asyncio.gather(*[store.wait([ID], PATIENCE) for _ in range(3)])

    asyncio.run(body())
    read = SharedLine._read

    come = threading.Event()

    def read_once_all_have_come(line: SharedLine, timeout: float) -> None:
        until(lambda: come.is_set() or len(line._waiters) == 3)
        come.set()
        read(line, timeout)

    monkeypatch.setattr(SharedLine, "_read", read_once_all_have_come)
    threads = [threading.Thread(target=store.sync.wait, args=([ID], PATIENCE)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SYSTEM.monotonic() - begun < PATIENCE


def test_a_wait_that_begins_while_another_ends_misses_nothing(make: MakeStore) -> None:
    # Both read PENDING. The one hears of the end, reads it, and has not left; the other enters: the channel is
    # subscribed, so it does not look at the key, and what came before must not be forgotten.
    book = channels.Channels()
    one, other = _Waiter(), _Waiter()
    store = make()
    assert book.enter([KEY.encode()], one) == [KEY.encode()]
    book.heard([b"subscribe", KEY.encode(), 1])
    book.heard([b"message", KEY.encode(), msgspec.json.encode(SUCCESS)])
    assert one.woken
    store.sync.write([SUCCESS])
    store.sync.read([ID])
    assert book.enter([KEY.encode()], other) == []
    assert book.has_news([KEY.encode()], store.is_news)


def test_what_was_meant_for_an_older_subscription_is_not_taken_for_news() -> None:
    book, name = channels.Channels(), KEY.encode()
    one, other = _Waiter(), _Waiter()
    book.enter([name], one)
    book.heard([b"subscribe", name, 1])
    book.heard([b"message", name, b"failed"])
    assert book.leave([name], one, 0.0, coming_back=False) == [name]
    assert book.enter([name], other) == [name]  # the task was sent again, and is pending
    book.heard([b"message", name, b"failed"])
    assert (other.woken, book.latest([name])) == (False, {})
    book.heard([b"unsubscribe", name, 0])
    book.heard([b"subscribe", name, 1])
    book.heard([b"message", name, b"returned"])
    assert (other.woken, book.latest([name])) == (True, {name: b"returned"})


class _Waiter:
    woken = False

    def hear(self, name: bytes, record: bytes) -> None:
        self.wake()

    def wake(self) -> None:
        self.woken = True


def test_a_subscription_is_kept_between_two_slices_of_one_wait(make: MakeStore, client: Any) -> None:
    store = make()
    store.sync.read([ID])
    store.sync.wait([ID], 0.02)
    before = client.info("commandstats")["cmdstat_subscribe"]["calls"]
    store.sync.wait([ID], 0.02)
    assert client.info("commandstats")["cmdstat_subscribe"]["calls"] == before
    finish(client, ID)  # nobody waits now
    store.sync.wait([ID], PATIENCE * 10)


def test_waiting_survives_lost_connections(own_redis: Any, make: MakeStore) -> None:
    server = own_redis()
    store = make(url=server.url())
    found: list[object] = []

    def get() -> None:
        while not (record := store.sync.read([ID])):
            store.sync.wait([ID], PATIENCE)
        found.append(record[ID].result)

    async def aget() -> None:
        while not (record := await store.read([ID])):
            await store.wait([ID], PATIENCE)
        found.append(record[ID].result)

    threads = [threading.Thread(target=get), threading.Thread(target=asyncio.run, args=(aget(),))]
    for thread in threads:
        thread.start()
    with server.client() as client:
        for _ in range(3):
            until(lambda: listeners(client) == 2, PATIENCE, what="both listen")
            client.client_kill_filter(_type="pubsub")
        until(lambda: listeners(client) == 2, PATIENCE, what="both listen again")
    server.restart()
    with server.client() as client:
        until(lambda: listeners(client) == 2, PATIENCE, what="both listen to the new server")
        finish(client, ID)
    for thread in threads:
        thread.join(PATIENCE)
    assert found == [ID, ID]


def test_a_forked_child_waits_on_a_connection_of_its_own(make: MakeStore, client: Any) -> None:
    store = make()
    store.sync.read([ID])
    store.sync.wait([ID], 0.02)
    assert listeners(client) == 1
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store.sync.wait([ID], PATIENCE)
            code = 0 if store.sync.read([ID])[ID].result == ID else 2
        finally:
            os._exit(code)
    until(lambda: listeners(client) == 2, PATIENCE, what="parent and child listen")
    waiting = threading.Thread(target=store.sync.wait, args=([ID], PATIENCE * 10))
    waiting.start()
    finish(client, ID)
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_each_event_loop_has_its_own_connection_and_ends_it(make: MakeStore, client: Any) -> None:
    store = make()
    before = len(client.client_list())
    for _ in range(3):
        asyncio.run(store.read([ID]))
    until(lambda: len(client.client_list()) == before, what="no connection is left")

    async def twice() -> None:
        await store.read([ID])
        await store.close()
        await store.read([ID])
        assert len(client.client_list()) == before + 1

    asyncio.run(twice())


# Following ------------------------------------------------------------------------------------------------------------


def test_the_ends_of_a_group_are_heard_and_not_read(redis_url: str, client: Any) -> None:
    ids = [f"t{n}" for n in range(270)]

    def reads() -> int:
        return int(client.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"])

    with Umbel("live", broker="memory://followed", backend=redis_url, set_as_current=False) as app:
        store: Any = app.store
        store.sync.write([Record("SUCCESS", -1, task_id="t0"), Record("STARTED", None, task_id="t1")])
        several = app.ResultSet([app.AsyncResult(id) for id in ids])

        async def main() -> list[Any]:
            found = []
            async for value in several:
                found.append(value)
                if len(found) < len(ids):
                    store.sync.write([Record("STARTED", None, task_id=ids[-1])])
                    store.sync.write([Record("SUCCESS", len(found), task_id=ids[len(found)])])
            return found

        before = reads()
        assert asyncio.run(main()) == [-1, *range(1, 270)]
        assert reads() - before == 2, "when it began, and when it had subscribed"
        assert client.pubsub_numsub("celery-task-meta-t1") == [(b"celery-task-meta-t1", 0)]


def test_a_feed_of_a_server_that_is_away_says_so_when_its_patience_ends(make: MakeStore) -> None:
    store = make(url="redis://127.0.0.1:1/0", retry_policy={"max_retries": 1, "interval_start": 0.01})

    async def main() -> None:
        with pytest.raises(BackendGetMetaError, match=r"127\.0\.0\.1:1"):
            await store.follow([ID]).next(PATIENCE)

    asyncio.run(main())


def test_a_feed_whose_connection_is_cut_looks_again(make: MakeStore, client: Any) -> None:
    store = make()

    def subscribed() -> int:
        return int(client.pubsub_numsub(KEY)[0][1])

    async def main() -> None:
        feed = store.follow([ID, "other"])
        assert await feed.next(0.01) == {}
        for one in client.client_list():
            if int(one["sub"]):
                client.client_kill_filter(_id=one["id"])
        until(lambda: not subscribed())
        store.sync.write([SUCCESS])
        found: dict[str, Record] = {}
        while not found:
            found = await feed.next(PATIENCE)
        assert set(found) == {ID}
        store.sync.write([Record("SUCCESS", 1, task_id="other")])
        assert set(await feed.next(PATIENCE)) == {"other"}
        for _ in range(2):
            await feed.close()
        await store.close()

    asyncio.run(main())
