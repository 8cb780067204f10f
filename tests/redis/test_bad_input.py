"""Bad servers and bad messages: one clear line each, and everything else goes on."""

import asyncio
import socketserver
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.redis.load import Load
from tests.servers import RedisServer
from tests.worker.fleet import until
from umbel import Umbel
from umbel.broker.redis import RedisBroker
from umbel.core.delivery import Accepted, Ack, ConsumerId, Outgoing, Settlement, Want
from umbel.core.errors import OperationalError
from umbel.core.message import Headers, Message, Properties

QUEUES = ("celery",)


def said_of_startup(load: Load) -> str:
    """The one line of a worker that cannot begin."""
    worker = load.farm.worker("-c", "1", ready=False)
    assert worker.wait() == 1
    assert "Traceback" not in worker.text
    (line,) = [line for line in worker.text.splitlines() if line.startswith("[")]
    return line


def test_a_wrong_password(own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]) -> None:
    server = own_redis(password="right")
    url = f"redis://:wrong@{server.host}:{server.port}/0"
    load = load_at(url, broker_connection_retry_on_startup=False, broker_publish_timeout=0.3)
    with pytest.raises(OperationalError, match="refuses the user name or password"):
        load.farm.send("add", 1, 2)
    line = said_of_startup(load)
    assert "refuses the user name or password of the URL" in line
    assert "wrong" not in line


def test_no_such_host(load_at: Callable[..., Load]) -> None:
    load = load_at(
        "redis://no-such-host.invalid:6379/0", broker_connection_retry_on_startup=False, broker_publish_timeout=0.3
    )
    with pytest.raises(OperationalError, match="no-such-host"):
        load.farm.send("add", 1, 2)
    assert "no-such-host.invalid:6379/0 cannot be reached" in said_of_startup(load)


@pytest.fixture
def old_server() -> Iterator[str]:
    """It greets as Redis 6.0 does."""

    class Greeting(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                if line.strip().upper() == b"HELLO":
                    self.wfile.write(b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n6.0.9\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()
        thread.join()


def test_an_old_server(old_server: str, load_at: Callable[..., Load]) -> None:
    load = load_at(old_server, broker_connection_retry_on_startup=False, broker_publish_timeout=0.3)
    with pytest.raises(OperationalError, match=r"is version 6\.0\.9: Umbel needs 6\.2 or later"):
        load.farm.send("add", 1, 2)
    assert "is version 6.0.9: Umbel needs 6.2 or later" in said_of_startup(load)


def test_another_type_of_key_where_the_queue_belongs(load: Load) -> None:
    load.look.set("celery", "somebody's string")
    with pytest.raises(OperationalError, match="key of another type"):
        load.farm.send("add", 1, 2)
    worker = load.farm.worker("-c", "1")
    until(lambda: "key of another type" in worker.text, what=f"it is said; {worker.text}")
    assert load.look.get("celery") == b"somebody's string"
    load.look.delete("celery")
    assert load.farm.send("add", 1, 2).get(timeout=20) == 3
    assert "Traceback" not in worker.text
    assert worker.stop() == 0


GARBAGE = (b"", b"\xff\x00\xff", b"{}", b"[]", b"null", b'{"body": "!", "headers": {}}', b"\t\n\n", b"{" * 5000)
DAMAGED = (
    b'{"body": "W1td\xff", "content-encoding": "utf-8", "content-type": "application/json", '
    b'"headers": {"task": "t", "id": "1"}, "properties": {"body_encoding": "base64"}}',
    b'{"body": "W10=", "headers": {"task": "t", "id": "1", "eta": "\\ud800"}, "properties": {}}',
)
"""Messages, but for a byte, or for half a character."""


def test_garbage_is_buried_and_the_rest_goes_on(load: Load) -> None:
    for number, bytes_ in enumerate((*GARBAGE, *DAMAGED)):
        load.call(str(number))
        load.look.lpush("celery", bytes_)
    worker = load.farm.worker("-c", "2")
    verdict = load.drain()
    assert verdict.problems() == []
    assert load.look.zcard("umbel:dead") == len(GARBAGE) + len(DAMAGED)
    assert "Traceback" not in worker.text


# Sizes ----------------------------------------------------------------------------------------------------------------


def large(id: str, size: int) -> Outgoing:
    """One call with a body of so many bytes."""
    return Outgoing("celery", Message(Headers("any", id), Properties(id), b"x" * size))


def test_a_message_of_100_mb(redis_url: str) -> None:
    """Celery has no limit, so it may lie there: it is claimed alone, and the others after it."""

    async def scenario() -> None:
        broker = RedisBroker(redis_url)
        receipts = await broker.producer().publish([large("huge", 100_000_000), large("small", 10)], deadline=60.0)
        assert all(isinstance(receipt, Accepted) for receipt in receipts)
        consumer = broker.consumer(ConsumerId("one"), node="here", queues=QUEUES)
        await consumer.open(lease=30.0, width=1)
        got: list[tuple[str, int]] = []
        while len(got) < 2:
            turn = await consumer.exchange((), Want(QUEUES, 10))
            assert len(turn.deliveries) == 1, "no room beside it"
            (one,) = turn.deliveries
            assert one.message is not None
            got.append((one.message.headers.id, len(one.message.body)))
            await consumer.exchange([Settlement(one.ticket, Ack())], Want(QUEUES, 0))
        assert got == [("huge", 100_000_000), ("small", 10)]
        await consumer.close()
        broker.close()

    asyncio.run(scenario())


def test_300_messages_of_100_kb_in_one_claim(redis_url: str) -> None:
    """A claim takes a megabyte and leaves the rest where it is; nothing is lost on the way."""

    async def scenario() -> None:
        broker = RedisBroker(redis_url)
        await broker.producer().publish([large(str(i), 100_000) for i in range(300)], deadline=30.0)
        consumer = broker.consumer(ConsumerId("one"), node="here", queues=QUEUES)
        await consumer.open(lease=30.0, width=1)
        got: list[str] = []
        while len(got) < 300:
            turn = await consumer.exchange((), Want(QUEUES, 300))
            assert 0 < len(turn.deliveries) <= 11
            got += [one.message.headers.id for one in turn.deliveries if one.message]
            await consumer.exchange([Settlement(one.ticket, Ack()) for one in turn.deliveries], Want(QUEUES, 0))
        assert got == [str(i) for i in range(300)]
        await consumer.close()
        broker.close()

    asyncio.run(scenario())


def test_too_large_a_payload_is_refused_before_it_is_sent(redis_url: str) -> None:
    app = Umbel("caller", broker=redis_url, set_as_current=False)
    try:
        with pytest.raises(Exception, match="pass its id"):
            app.send_task("any", ("x" * 1_000_000,))
    finally:
        app.close()


# Memory ---------------------------------------------------------------------------------------------------------------


def fill(load: Load) -> None:
    """Until the server takes nothing new; what it holds already stays."""
    used = int(load.look.info("memory")["used_memory"])
    load.look.config_set("maxmemory", max(1, used // 2))


def test_a_server_at_its_limit_of_memory(own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]) -> None:
    server = own_redis(maxmemory_policy="noeviction")
    load = load_at(server.url(), broker_publish_timeout=0.3)
    load.publish(300)
    fill(load)
    with pytest.raises(OperationalError, match="memory limit"):
        load.farm.send("add", 1, 2)
    load.farm.worker("-c", "4")
    assert load.drain().problems() == [], "a full server can be emptied"


def test_memory_runs_out_while_tasks_run(own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]) -> None:
    """Results elsewhere, on a server that refuses them for a while: they are written when it takes them again."""
    messages, results = own_redis(), own_redis(maxmemory_policy="noeviction")
    load = load_at(messages.url(), backend=results.url(), look_at=results.url(), worker_lease=5)
    load.publish(400)
    worker = load.farm.worker("-c", "4")
    load.reach(100)
    fill(load)
    until(lambda: "memory limit" in worker.text, what=f"it is said; {worker.text[-1000:]}")
    load.look.config_set("maxmemory", 0)
    verdict = load.drain()
    assert verdict.problems() == []
    assert verdict.duplicates == 0
