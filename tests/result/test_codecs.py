"""Results by every serializer and compression: what is written is read, SUCCESS stays, failures live as they should."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from tests.worker.fleet import Farm
from umbel import Umbel
from umbel.broker.redis import RedisBroker
from umbel.core.delivery import Ack, ConsumerId, Settled, Settlement, Want
from umbel.core.errors import BackendGetMetaError, ContentDisallowed, EncodeError, ImproperlyConfigured
from umbel.core.record import Record
from umbel.result.lookup import open_store
from umbel.result.redis import RedisStore
from umbel.testing import FakeClock
from umbel.testing.broker_conformance import call, new_id
from umbel.wire import compression, serializers
from umbel.wire.records import Codec

SERIALIZERS = ("json", "msgpack", "yaml", "pickle")
ALL = frozenset(serializers.find(name).content_type for name in SERIALIZERS)
CODECS = [
    *[Codec(name, None, ALL) for name in SERIALIZERS],
    *[Codec("json", name, ALL) for name in compression.names()],
    *[Codec(name, "zlib", ALL) for name in SERIALIZERS],
]
VALUE = {"x": [1, None, "ü\nstatus: SUCCESS\n"], "status": "SUCCESS", "y" * 100: True}


@pytest.fixture(params=CODECS, ids=lambda codec: "+".join(filter(None, codec.make[:2])))
def codec(request: pytest.FixtureRequest) -> Codec:
    found: Codec = request.param
    return found


def record(status: str, task_id: str = "one") -> Record:
    return Record(status, VALUE, "a\nstatus: SUCCESS\n", [], "2026-01-01T00:00:00+00:00", task_id)


def test_what_is_written_is_read(codec: Codec) -> None:
    for status in ("SUCCESS", "STARTED", "FAILURE"):
        assert codec.decode(codec.encode(record(status))) == record(status)
    raw = Record("SUCCESS", msgspec.Raw(b'{"a":1}'), task_id="raw")
    assert codec.decode(codec.encode(raw)).result == {"a": 1}
    assert codec.decode(Codec().encode(record("RETRY"))) == record("RETRY"), "JSON, from before the setting"


@pytest.mark.parametrize("first", ["STARTED", "FAILURE", "SUCCESS"])
def test_only_success_is_never_overwritten(codec: Codec, redis_url: str, first: str) -> None:
    store = RedisStore(redis_url, expires=60, codec=codec)
    store.sync.write([record(first)])
    store.sync.write([record("RETRY")])
    assert store.sync.read(["one"])["one"].status == (first if first == "SUCCESS" else "RETRY")
    store.sync.close()


@pytest.mark.parametrize("first", ["STARTED", "SUCCESS"])
def test_nor_by_a_settlement(codec: Codec, redis_url: str, first: str) -> None:
    asyncio.run(settle(codec, redis_url, first))


async def settle(codec: Codec, redis_url: str, first: str) -> None:
    store, broker = RedisStore(redis_url, expires=60, codec=codec), RedisBroker(redis_url)
    store.sync.write([record(first)])
    broker.sync_producer().publish([call("x", queue="q")], deadline=5)
    consumer = broker.consumer(ConsumerId(new_id()), node="n", queues=["q"])
    await consumer.open(lease=30, width=1)
    (delivery,) = (await consumer.exchange([], Want(("q",), 1))).deliveries
    ops = (store.compile(record("FAILURE")),)
    turn = await consumer.exchange([Settlement(delivery.ticket, Ack(), (), ops)], Want((), 0))
    assert [type(verdict) for verdict in turn.verdicts] == [Settled]
    assert store.sync.read(["one"])["one"].status == (first if first == "SUCCESS" else "FAILURE")
    await consumer.close()
    store.sync.close()
    broker.close()


def test_what_is_not_accepted_is_not_looked_into(redis_url: str) -> None:
    writer = RedisStore(redis_url, expires=60, codec=Codec("pickle"))
    writer.sync.write([record("SUCCESS")])
    reader = RedisStore(redis_url, expires=60, codec=Codec("pickle", None, frozenset({"application/json"})))
    with pytest.raises((BackendGetMetaError, ContentDisallowed), match="x-python-serialize is not accepted"):
        reader.sync.read(["one"])
    writer.sync.close()
    reader.sync.close()


@pytest.fixture(params=["redis", "sqlite", "memory"])
def opened(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    urls = {"redis": redis_url, "sqlite": f"sqlite:///{tmp_path / 'r.db'}", "memory": f"memory://{tmp_path.name}"}
    made = []

    def make(**options: Any) -> Any:
        made.append(open_store(urls[request.param], **options))
        return made[-1]

    yield make
    for store in made:
        store.sync.close()


def test_failures_have_a_life_of_their_own(opened: Callable[..., Any], redis_url: str) -> None:
    clock = FakeClock()
    for failure_expires, after, left in ((5, 50, {"good"}), (None, 50, {"good", "bad"}), (0, 200, {"bad"})):
        store = opened(expires=100, failure_expires=failure_expires, clock=clock)
        store.sync.forget(["good", "bad"])
        store.sync.write([record("SUCCESS", "good"), record("FAILURE", "bad")])
        if isinstance(store, RedisStore):
            with redis.Redis.from_url(redis_url) as look:
                lives = [look.ttl(f"celery-task-meta-{name}") for name in ("good", "bad")]
            expected = 100 if failure_expires is None else failure_expires or -1
            assert lives[0] in (99, 100)
            assert lives[1] in (expected, expected - 1)
        else:
            clock.advance(after)
            assert store.sync.read(["good", "bad"]).keys() == left


def test_every_store_takes_a_codec(opened: Callable[..., Any]) -> None:
    store = opened(expires=100, codec=Codec("msgpack", "zlib", ALL))
    store.sync.write([record("SUCCESS")])
    assert store.sync.read(["one"])["one"] == record("SUCCESS")


def test_settings_lead_there() -> None:
    def app(**settings: Any) -> Umbel:
        return Umbel(
            "settings", broker="memory://settings", backend="memory://settings", set_as_current=False, **settings
        )

    made = app(result_serializer="pickle", result_compression="xz", result_accept_content=["pickle"])
    assert made.store is not None
    assert made.store.codec == Codec("pickle", "xz", frozenset({"application/x-python-serialize"}))  # type: ignore[attr-defined]
    assert app().store.codec == Codec("json", None, frozenset({"application/json"}))  # type: ignore[union-attr]
    for settings, told in (({"result_serializer": "jsn"}, "no serializer 'jsn'"), ({"result_compression": "z"}, "'z'")):
        with pytest.raises(ImproperlyConfigured, match=told):
            app(**settings).store  # noqa: B018  reading it opens it


def test_a_value_that_the_serializer_refuses_is_the_tasks_failure(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'farm.db'}"
    settings: dict[str, Any] = {"result_serializer": "msgpack", "accept_content": ["json", "msgpack"]}
    with Farm(tmp_path, broker=url, backend=url, **settings) as farm, farm.app():
        farm.worker("-c", "1")
        with pytest.raises(EncodeError, match="set has no place in MessagePack"):
            farm.send("returns_a_set").get(timeout=20)
        assert farm.send("add", 2, 3).get(timeout=20) == 5
