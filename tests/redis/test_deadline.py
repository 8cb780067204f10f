"""``delay()`` returns or raises within ``broker_publish_timeout``, whatever Redis does (G9)."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.drivers.test_redis import HELLO, server_that
from tests.servers import RedisServer
from umbel import Umbel
from umbel.core.errors import OperationalError
from umbel.runtime.clock import SYSTEM

TIMEOUT = 0.5
ENOUGH = 3.0
"""Seconds: well under the four that a connection may take by itself, with room for a busy machine."""


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"


@pytest.fixture
def full() -> Iterator[str]:
    """A port whose queue is full: packets to it vanish, as behind a firewall."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listening.getsockname())
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"


@pytest.fixture
def frozen(own_redis: Callable[..., RedisServer]) -> str:
    """A server that is stopped before anybody has connected."""
    server = own_redis()
    server.freeze()
    return str(server.url())


def app_at(url: str) -> Umbel:
    """An app whose calls may take ``TIMEOUT`` seconds."""
    return Umbel("caller", broker=url, broker_publish_timeout=TIMEOUT, set_as_current=False)


def raises_in_time(call: Callable[[], object]) -> str:
    """What it raised."""
    began = SYSTEM.monotonic()
    with pytest.raises(OperationalError) as raised:
        call()
    assert SYSTEM.monotonic() - began < ENOUGH
    return str(raised.value)


@pytest.mark.parametrize("where", ["silent", "full", "frozen"])
def test_nobody_answers(where: str, request: pytest.FixtureRequest) -> None:
    app = app_at(request.getfixturevalue(where))
    try:
        assert "Nothing was sent" in raises_in_time(lambda: app.send_task("any"))
    finally:
        app.close()


@pytest.mark.parametrize("where", ["silent", "full", "frozen"])
def test_nobody_answers_a_coroutine(where: str, request: pytest.FixtureRequest) -> None:
    app = app_at(request.getfixturevalue(where))

    @app.task
    def any_task() -> None: ...

    try:
        assert "Nothing was sent" in raises_in_time(lambda: asyncio.run(any_task.adelay()))
    finally:
        app.close()


def test_a_server_that_freezes_between_two_calls(own_redis: Callable[..., RedisServer]) -> None:
    """The connection is there and takes the message; whether it is out, nobody knows, and that is said."""
    server = own_redis()
    app = app_at(server.url())
    try:
        app.send_task("any")
        server.freeze()
        assert "It may run" in raises_in_time(lambda: app.send_task("any"))
        assert "Nothing was sent" in raises_in_time(lambda: app.send_task("any"))
        server.thaw()
        app.send_task("any")
        with server.client() as client:
            assert client.llen("celery") in (2, 3)
    finally:
        app.close()


def test_a_server_that_is_restarted_between_two_calls(own_redis: Callable[..., RedisServer]) -> None:
    """A connection that the other end has closed is found out before anything is sent."""
    server = own_redis()
    app = app_at(server.url())
    try:
        app.send_task("any")
        server.restart()
        app.send_task("any")
    finally:
        app.close()


def test_many_coroutines_that_nobody_answers_wait_beside_each_other(silent: str) -> None:
    app = app_at(silent)

    async def scenario() -> None:
        calls = [app.asend_task("any") for _ in range(20)]
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert "Nothing was sent" in str(error)

    began = SYSTEM.monotonic()
    asyncio.run(scenario())
    assert SYSTEM.monotonic() - began < ENOUGH
    app.close()


def test_a_server_that_greets_and_falls_silent() -> None:
    with server_that(lambda data: HELLO if b"HELLO" in data else b"") as place:
        app = app_at(f"redis://127.0.0.1:{place.hosts[0][1]}/0")
        assert "Nothing was sent" in raises_in_time(lambda: asyncio.run(app.asend_task("any")))
        assert "It may run" in raises_in_time(lambda: app.send_task("any"))
        app.close()


def test_sentinels_that_are_gone_without_a_word_share_the_time(silent: str) -> None:
    sentinels = ";".join([silent.replace("redis:", "sentinel:")] * 8)
    app = app_at(sentinels)
    app.conf.broker_transport_options = {"master_name": "mine"}
    assert "Nothing was sent" in raises_in_time(lambda: app.send_task("any"))
    assert "Nothing was sent" in raises_in_time(lambda: asyncio.run(app.asend_task("any")))
    app.close()
