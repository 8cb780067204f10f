"""kombu's names: connections, producers and consumers of any message, on Umbel's brokers."""

import queue
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.celery.programs import said
from umbel.celery import Celery
from umbel.celery.kombu import Connection, Consumer, Exchange, Producer, Queue
from umbel.celery.kombu.common import maybe_declare
from umbel.celery.kombu.message import Message, MessageStateError
from umbel.celery.kombu.serialization import dumps, loads
from umbel.celery.kombu.utils import json
from umbel.core.errors import ContentDisallowed, DecodeError, EncodeError, OperationalError


@pytest.fixture(params=["sqlite", "memory"])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    url = f"sqlite:///{tmp_path / 'b.db'}" if request.param == "sqlite" else f"memory://{secrets.token_hex(4)}"
    with Connection(url) as connection:
        yield connection


def test_a_message_goes_from_a_producer_to_a_consumer(connection: Connection) -> None:
    letters = Queue("letters", Exchange("post"), routing_key="letter")
    got: list[Any] = []

    def take(body: Any, message: Message) -> None:
        got.append((body, message.headers, message.content_type, message.delivery_info["exchange"]))
        message.ack()

    producer = connection.Producer(serializer="json")
    producer.publish({"a": 1}, exchange=letters.exchange, routing_key="letter", declare=[letters], headers={"by": "me"})
    producer.publish("text", routing_key="letters", content_type="text/plain", compression="gzip")
    with connection.Consumer([letters], callbacks=[take]):
        connection.drain_events(timeout=10)
        connection.drain_events(timeout=10)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.01)
    assert got[0] == ({"a": 1}, {"by": "me"}, "application/json", "post")
    assert got[1][0] == "text"
    assert connection.SimpleQueue("letters").qsize() == 0


def test_what_is_not_acknowledged_goes_back_and_what_is_settled_is_settled_once(connection: Connection) -> None:
    with connection.SimpleQueue("box") as box:
        box.put([1])
        assert box.get(timeout=10).payload == [1]
    with connection.SimpleQueue("box") as box:
        message = box.get(timeout=10)
        message.requeue()
        with pytest.raises(MessageStateError):
            message.ack()
        box.get(timeout=10).reject()
        with pytest.raises(queue.Empty):
            box.get_nowait()
        assert box.qsize() == 0


def test_a_queue_at_a_connection_is_declared_read_and_purged(connection: Connection) -> None:
    box = Queue("box", Exchange("post"), "parcel")(connection)
    assert box.declare() == "box"
    for number in range(3):
        connection.Producer().publish([number], exchange="post", routing_key="parcel")
    message = box.get()
    assert message.payload == [0]
    message.ack()
    assert box.get().payload == [1]
    connection.release()
    with connection:
        assert (box.purge(), box.get(), box.exchange) == (2, None, Exchange("post")), "what was not settled is back"


def test_a_message_of_an_untrusted_kind_is_not_decoded(connection: Connection) -> None:
    errors: list[Exception] = []
    Producer(connection).publish({"a": 1}, routing_key="box")
    with Consumer(
        connection, "box", callbacks=[lambda *_: None], accept=["yaml"], on_decode_error=lambda _, e: errors.append(e)
    ):
        connection.drain_events(timeout=10)
    assert isinstance(errors[0], ContentDisallowed)


def test_an_exchange_that_leads_nowhere_is_said(connection: Connection) -> None:
    with pytest.raises(OperationalError, match="no queue is known to be bound to exchange 'post' by 'x'"):
        Producer(connection).publish({}, exchange="post", routing_key="x")
    maybe_declare(Queue("x", Exchange("post"), "x"), connection)
    Producer(connection).publish({}, exchange="post", routing_key="x")
    assert connection.SimpleQueue("x").qsize() == 1


def test_a_task_message_made_by_hand_is_a_call(tmp_path: Path) -> None:
    app = Celery("proj", broker=f"memory://{secrets.token_hex(4)}", set_as_current=False)

    @app.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    message = app.amqp.as_task_v2("id-1", "add", (1,), {"y": 2}, callbacks=[app.signature("add")])
    assert message.headers["task"] == "add"
    assert message.headers["id"] == message.properties["correlation_id"] == "id-1"
    assert message.body[:2] == ([1], {"y": 2})
    assert message.body[2]["callbacks"][0]["task"] == "add"
    with app.producer_pool.acquire() as producer:
        app.amqp.send_task_message(producer, "add", message)
    add.delay(3, 4)
    with app.connection() as connection, app.amqp.TaskConsumer(connection) as consumer:
        got: list[Message] = []
        consumer.on_message = got.append
        for _ in range(2):
            connection.drain_events(timeout=10)
            got[-1].ack()
    assert [(one.headers["task"], one.payload[0]) for one in got] == [("add", [1]), ("add", [3, 4])]


def test_a_connection_says_what_it_is() -> None:
    connection = Connection("redis://me:secret@here:7/2")
    assert connection.as_uri() == "redis://me:**@here:7/2"
    assert (connection.hostname, connection.port, connection.virtual_host) == ("here", 7, "2")
    assert connection.transport.driver_type == "redis"
    assert Connection("here", "me", "p", "2", 7, transport="redis").as_uri(include_password=True) == (
        "redis://me:p@here:7/2"
    )
    assert not Connection("sqlite:////nowhere/at/all.db").connected


def test_content_is_serialized_as_kombu_does() -> None:
    assert dumps({"a": 1}) == ("application/json", "utf-8", '{"a":1}')
    assert dumps(b"x") == ("application/data", "binary", b"x")
    assert loads('{"a":1}', "application/json", "utf-8") == {"a": 1}
    with pytest.raises(ContentDisallowed):
        loads(b"", "application/x-python-serialize", "binary")


def test_types_of_ones_own_travel_in_json(tmp_path: Path) -> None:
    program = (
        "from umbel.celery.kombu.utils.json import dumps, loads, register_type\n"
        "class Point:\n"
        "    def __init__(self, x, y): self.x, self.y = x, y\n"
        "register_type(Point, 'point', lambda p: [p.x, p.y], lambda at: Point(*at))\n"
        "found = loads(dumps({'at': [Point(1, 2)]}))['at'][0]\n"
        "print(type(found).__name__, found.x, found.y)"
    )
    assert said(tmp_path, program) == "Point 1 2"
    with pytest.raises(EncodeError):
        json.dumps(object())
    with pytest.raises(DecodeError):
        json.loads('{"__type__": "nonsense", "__value__": 1}')


def test_a_channel_counts_and_empties_a_queue(connection: Connection) -> None:
    channel, box = connection.default_channel, Queue("box", Exchange("boxes"), routing_key="box")
    assert channel.queue_declare("box", passive=True) == ("box", 0, 0)
    for number in range(3):
        connection.Producer().publish({"n": number}, routing_key="box")
    assert channel.queue_declare(queue="box", passive=True).message_count == 3
    assert box(channel).queue_declare(passive=True).message_count == 3
    assert channel.queue_purge("box") == 3
    assert channel.queue_declare("box").message_count == 0
    assert not hasattr(channel, "client")


def test_on_redis_a_channel_and_the_backend_have_its_client(redis_url: str) -> None:
    app: Any = Celery("clients", broker=redis_url, backend=redis_url, set_as_current=False)
    with app:
        app.send_task("some.task", queue="lengths")
        with app.pool.acquire(block=True) as connection:
            assert connection.default_channel.client.llen("lengths") == 1
        app.backend.store_result("one", 1, "SUCCESS")
        assert app.backend is app.backend
        assert app.backend.client.exists(app.backend.client.keys("celery-task-meta-*")[0])
        app.backend.client.close()
