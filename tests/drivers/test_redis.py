"""The connections to Redis, and what is wrong with a server in plain words."""

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers import RedisServer
from tests.worker.fleet import until
from umbel.broker.redis import RedisBroker
from umbel.core.delivery import Accepted, Unknown
from umbel.core.errors import ImproperlyConfigured, OperationalError
from umbel.drivers.redis import CutOff, Place, Pool, blocking, connect, parse, sync_connect, unreachable
from umbel.runtime.clock import SYSTEM
from umbel.testing.broker_conformance import call

HELLO = b"%1\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n"


@contextmanager
def server_that(answers: Callable[[bytes], bytes | None]) -> Iterator[Place]:
    """A server that answers whatever is sent to it; None closes the connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(link,), daemon=True).start()

    def talk(link: socket.socket) -> None:
        with link:
            while data := link.recv(65536):
                answer = answers(data)
                if answer is None:
                    return
                link.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Place(hosts=(listener.getsockname(),), connect_timeout=1.0)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def after_hello(then: bytes | None) -> Callable[[bytes], bytes | None]:
    return lambda data: HELLO if b"HELLO" in data else then


# URLs -----------------------------------------------------------------------------------------------------------------


def test_urls() -> None:
    place, rest = parse("redis://bob:s%40cret@host:7000/3?visibility_timeout=5", {"sep": ":"})
    assert (place.hosts, place.db, place.username, place.password) == ((("host", 7000),), 3, "bob", "s@cret")
    assert rest == {"sep": ":", "visibility_timeout": "5"}
    assert parse("redis://")[0].hosts == (("localhost", 6379),)
    assert parse("redis://host//")[0].db == 0
    assert parse("redis+socket:///run/redis.sock?virtual_host=2")[0] == Place(path="/run/redis.sock", db=2)
    assert parse("unix:///run/redis.sock?db=2")[0].server == ("/run/redis.sock",)
    place, _ = parse("sentinel://a;sentinel://b:7/4", {"master_name": "m", "sentinel_kwargs": {"password": "x"}})
    assert (place.hosts, place.master) == ((("a", 26379), ("b", 7)), "m")


def test_tls() -> None:
    assert parse("redis://host")[0].tls_context() is None
    strict = parse("rediss://host")[0].tls_context()
    assert strict is not None
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    lax = parse("rediss://host?ssl_cert_reqs=CERT_NONE")[0].tls_context()
    assert lax is not None
    assert (lax.verify_mode, lax.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://host/celery", "the database of a Redis URL is a number"),
        ("sentinel://host", "master_name"),
        ("redis://a;redis://b", "2 servers in one URL: failing over from one to another is built for sentinel"),
        ("redis+socket://", "names no socket"),
        ("rediss://host?ssl_cert_reqs=maybe", "none, optional or required"),
        ("redis://host:port", "no usable port"),
        ("redis://[::1", "is no URL: Invalid IPv6 URL"),
        (
            "redis://host?socket_connect_timeout=soon",
            "socket_connect_timeout of a Redis URL is a number above 0, not 'soon'",
        ),
    ],
)
def test_what_is_wrong_with_a_url(url: str, told: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=told):
        parse(url)[0].tls_context()


def test_two_databases_of_one_server_are_one_server() -> None:
    assert parse("redis://h/1")[0].server == parse("redis://:secret@h/2")[0].server != parse("redis://g/1")[0].server


# Trouble --------------------------------------------------------------------------------------------------------------


def refusal(place: Place) -> str:
    """What both kinds of connections say; it must be the same."""
    with pytest.raises(OperationalError) as caught:
        sync_connect(place)
    with pytest.raises(OperationalError) as caught_async:
        asyncio.run(connect(place))
    assert str(caught.value).partition(": ")[0] == str(caught_async.value).partition(": ")[0]
    return str(caught.value)


def test_a_wrong_password(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis(password="right")
    place, _ = parse(server.url())
    sync_connect(place).close()
    assert "refuses the user name or password" in refusal(parse(server.url().replace("right", "wrong"))[0])
    assert "wants a password" in refusal(parse(server.url().replace(":right@", ""))[0])


def test_nobody_there() -> None:
    assert "cannot be reached: Connection refused" in refusal(Place(hosts=(("127.0.0.1", 1),)))
    with pytest.raises(OperationalError, match=r"cannot be reached: Connection refused$"):
        asyncio.run(connect(Place(hosts=(("127.0.0.1", 1),))))
    several = OSError(
        "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 111] Connect call failed"
    )
    assert str(unreachable(several, "h")) == "Redis at h cannot be reached: Connection refused"
    assert "cannot be reached: " in refusal(Place(hosts=(("no.such.host.invalid", 1),)))


def test_an_old_server_is_refused() -> None:
    old = b"%1\r\n$7\r\nversion\r\n$5\r\n6.0.9\r\n"
    with server_that(lambda data: old) as place:
        assert "is version 6.0.9: Umbel needs 6.2 or later" in refusal(place)
    with server_that(lambda data: b"-ERR unknown command `HELLO`\r\n") as place:
        assert "Umbel needs version 6.2 or later" in refusal(place)


@pytest.mark.parametrize("way", ["blocking", "async"])
def test_tls_is_guessed_at_only_where_no_connection_ever_succeeded(way: str) -> None:
    """A server that goes away closes connections that were just made, at each attempt to reconnect."""
    answers: list[bytes | None] = [None, HELLO, None, None]

    def attempt() -> str:
        try:
            if way == "blocking":
                sync_connect(place).close()
            else:
                asyncio.run(_connect_and_leave(place))
        except OperationalError as error:
            return str(error)
        return ""

    with server_that(lambda data: answers.pop(0)) as place:
        assert [attempt().endswith("If it speaks TLS only, its URL begins with rediss://") for _ in range(2)] == [
            *(True, False)
        ]
        assert [attempt().rpartition(": ")[2] for _ in range(2)] == ["the server closed the connection"] * 2


async def _connect_and_leave(place: Place) -> None:
    (await connect(place)).abort()


def test_no_such_database(redis_url: str) -> None:
    assert "has no such database" in refusal(parse(redis_url.rpartition("/")[0] + "/99999")[0])


def test_a_server_that_loads_says_so() -> None:
    with server_that(lambda data: b"-LOADING Redis is loading the dataset in memory\r\n") as place:
        assert "still loading its data" in refusal(place)


# Connections ----------------------------------------------------------------------------------------------------------


def test_pushes_are_never_taken_for_replies(redis_url: str) -> None:
    async def body() -> None:
        place, _ = parse(redis_url)
        one, other = await connect(place), await connect(place)
        await one.call([("CLIENT", "TRACKING", "ON", "BCAST")])
        for number in range(200):
            calls = one.call([("GET", "key"), ("ECHO", number)]), other.call([("SET", "key", number)])
            answers = list(await asyncio.gather(*calls))
            assert int(answers[0][1]) == number
        assert one.pushed.is_set()
        one.abort()
        other.abort()

    asyncio.run(body())


def test_a_call_that_cannot_be_sent_takes_no_others_reply(redis_url: str) -> None:
    async def main() -> None:
        link = await connect(parse(redis_url)[0])
        with pytest.raises(UnicodeEncodeError):
            await link.call([("GET", "half a \ud800 pair")])
        assert await link.call([("ECHO", "one")], timeout=5) == [b"one"]
        assert await link.call([("ECHO", "two")], timeout=5) == [b"two"]
        link.abort()

    asyncio.run(main())


def test_calls_may_overlap_and_be_cancelled(redis_url: str) -> None:
    async def body() -> None:
        connection = await connect(parse(redis_url)[0])
        waiting = asyncio.create_task(connection.call([("BLPOP", "nothing", "0.05")]))
        others = [asyncio.create_task(connection.call([("ECHO", number)])) for number in range(50)]
        await asyncio.sleep(0)
        waiting.cancel()
        others[10].cancel()
        replies = await asyncio.gather(*others, return_exceptions=True)
        del replies[10]
        assert replies == [[str(number).encode()] for number in range(50) if number != 10]
        connection.abort()

    asyncio.run(body())


def test_a_sentinel_that_is_gone_without_a_word_does_not_keep_the_next_from_being_asked(redis_url: str) -> None:
    """As after the loss of a machine that had both the master and the first of the sentinels."""
    host, port = parse(redis_url)[0].hosts[0]
    master = f"*2\r\n${len(host)}\r\n{host}\r\n${len(str(port))}\r\n{port}\r\n".encode()
    with socket.create_server(("127.0.0.1", 0)) as silent, server_that(after_hello(master)) as sentinel:
        place = Place(hosts=(silent.getsockname(), *sentinel.hosts), master="mine", connect_timeout=1.5)
        sync_connect(place).close()

        async def body() -> None:
            (await connect(place)).abort()

        asyncio.run(body())


def test_a_connection_that_is_of_no_use_is_not_left_open(own_redis: Callable[..., RedisServer]) -> None:
    """Whoever may not use scripts, and tries again and again, must not use up the server's clients."""
    server = own_redis()
    with server.client() as look:
        look.execute_command("ACL", "SETUSER", "bob", "on", ">x", "~*", "&*", "+@all", "-script")

        async def body() -> None:
            broker = RedisBroker(server.url().replace("//", "//bob:x@"))
            for _ in range(3):
                with pytest.raises(OperationalError, match="does not allow this user"):
                    await broker.producer().publish([call("one")], deadline=20)
            await asyncio.to_thread(until, lambda: not [one for one in look.client_list() if one["user"] == "bob"])

        asyncio.run(body())


def test_an_answer_has_a_deadline(redis_url: str) -> None:
    place, _ = parse(redis_url)
    connection = sync_connect(place)
    begun = SYSTEM.monotonic()
    with pytest.raises(CutOff, match=r"did not answer within 0\.1 s"):
        connection.call([("BLPOP", "nothing", "0")], 0.1)
    assert SYSTEM.monotonic() - begun < 5
    assert connection.is_stale()

    async def body() -> None:
        link = await connect(place)
        with pytest.raises(CutOff, match="did not answer within"):
            await link.call([("BLPOP", "nothing", "0")], 0.1)
        assert link.closed is not None

    asyncio.run(body())


def test_a_slow_answer_is_slept_for(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for the answer pays only where it comes at once: elsewhere it is given up, but for a try now and then."""
    connection = sync_connect(parse(redis_url)[0])
    looked, read = [], os.read

    def look(number: int, size: int) -> bytes:
        looked.append(number)
        return read(number, size)

    monkeypatch.setattr(os, "read", look)
    for _ in range(20):
        assert connection.call([("BLPOP", "nothing", "0.005")], 5) == [None]
    ours = looked.count(connection.sock.fileno())
    assert ours <= 4 * blocking._LOOKS  # in calls 1, 4, 9, 18
    assert ours > 0 or not blocking._ENOUGH_CPUS
    for _ in range(2 ** (blocking._MOST_VAIN + 1)):
        assert connection.call([("PING",)], 5) == [b"PONG"]
    connection.close()


def test_connecting_is_inside_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        place = Place(hosts=(silent.getsockname(),), connect_timeout=30.0)
        broker = RedisBroker(f"redis://127.0.0.1:{place.hosts[0][1]}/0", options={"socket_connect_timeout": 30})
        begun = SYSTEM.monotonic()
        with pytest.raises(OperationalError, match="did not answer"):
            broker.sync_producer().publish([call("one")], deadline=0.2)
        with pytest.raises(OperationalError, match=r"did not answer|cannot be reached"):
            asyncio.run(_publish(broker, 0.2))
        assert SYSTEM.monotonic() - begun < 10


async def _publish(broker: RedisBroker, deadline: float) -> Any:
    return await broker.producer().publish([call("one")], deadline=deadline)


def test_what_was_sent_and_not_confirmed_is_unknown() -> None:
    with server_that(after_hello(None)) as place:
        broker = RedisBroker(f"redis://127.0.0.1:{place.hosts[0][1]}/0")
        (receipt,) = broker.sync_producer().publish([call("one")], deadline=5)
        assert isinstance(receipt, Unknown)


def test_a_connection_that_was_closed_while_idle_costs_nothing(redis_url: str) -> None:
    broker = RedisBroker(redis_url)
    producer = broker.sync_producer()
    assert producer.publish([call("one")], deadline=5) == [Accepted()]
    killer = sync_connect(parse(redis_url)[0])
    killer.call([("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")])
    killer.close()
    assert producer.publish([call("two")], deadline=5) == [Accepted()]
    broker.close()


def test_a_forked_child_has_connections_of_its_own(redis_url: str) -> None:
    pool = Pool(parse(redis_url)[0])
    with pool.connection() as connection:
        (mine,) = connection.call([("CLIENT", "ID")], 5)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with pool.connection() as connection:
                os.write(writer, str(connection.call([("CLIENT", "ID")], 5)[0]).encode())
            pool.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    theirs = int(os.read(reader, 100))
    os.close(reader)
    os.close(writer)
    assert theirs != mine
    with pool.connection() as connection:
        assert connection.call([("CLIENT", "ID")], 5) == [mine]
    pool.close()


def test_a_unix_socket(own_redis: Callable[..., RedisServer], tmp_path: Path) -> None:
    own_redis(unixsocket=tmp_path / "redis.sock")
    place, _ = parse(f"redis+socket://{tmp_path / 'redis.sock'}?virtual_host=2")
    connection = sync_connect(place)
    assert connection.call([("PING",)], 5) == [b"PONG"]
    connection.close()

    async def body() -> None:
        link = await connect(place)
        assert await link.call([("PING",)]) == [b"PONG"]
        link.abort()

    asyncio.run(body())


def test_many_threads_share_a_pool(redis_url: str) -> None:
    pool = Pool(parse(redis_url)[0])
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(50):
            with pool.connection() as connection:
                if connection.call([("ECHO", f"{number}.{turn}")], 10) != [f"{number}.{turn}".encode()]:
                    wrong.append((number, turn))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    pool.close()
