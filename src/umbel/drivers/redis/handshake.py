"""What is said first on a connection, and what the server answered; the connections say it. Sends nothing itself."""

import socket
from typing import Any, NamedTuple

import hiredis

from umbel.core.errors import ImproperlyConfigured, OperationalError
from umbel.drivers.redis.place import Place
from umbel.drivers.redis.trouble import OLDEST, explained, reached, too_old

Command = tuple[Any, ...]


USER_TIMEOUT = 15_000
"""Milliseconds after which the kernel gives up on a connection whose other end does not acknowledge."""


WHO: Command = ("HELLO",)
"""Asks again who answers, and changes nothing. (ROLE is forbidden to who may not do dangerous things.)"""
SURE_FOR = 1.0
"""Seconds for which a server that was the master is taken to be it still."""


class Greeting(NamedTuple):
    """Who answered. ``valkey`` servers count their versions on from Redis 7.2."""

    version: tuple[int, ...]


def commands(place: Place) -> list[Command]:
    """HELLO with the password, the client's name, the database."""
    hello: list[Any] = ["HELLO", "3"]
    username, password = place.username, place.password
    if place.credentials is not None:
        found = place.credentials.get_credentials()
        username, password = (None, found[0]) if len(found) == 1 else found
    if password is not None:
        hello += ["AUTH", username or "default", password]
    if place.client_name:
        hello += ["SETNAME", place.client_name]
    said: list[Command] = [tuple(hello)]
    if place.db:
        said.append(("SELECT", place.db))
    return said


def greeted(replies: list[Any], place: Place) -> Greeting:
    """Read the answers. Raises ``OperationalError``: refused, or too old; ``ImproperlyConfigured`` for a cluster."""
    first = replies[0]
    if isinstance(first, hiredis.ReplyError):
        if "unknown command" in str(first).lower() or str(first).startswith("NOPROTO"):
            raise OperationalError(
                f"Redis at {place} does not speak RESP3: Umbel needs version {OLDEST[0]}.{OLDEST[1]} or later"
            )
        raise explained(first, place)
    hello = first if isinstance(first, dict) else dict(zip(first[::2], first[1::2], strict=False))
    version = _version(hello)
    if hello.get(b"mode") == b"cluster" and not place.tagged:
        raise ImproperlyConfigured(
            f"Redis at {place} is a cluster, where keys that change together must be in one slot: "
            "set the option global_keyprefix to a hash tag, such as '{umbel}', for the broker and for results"
        )
    if version < OLDEST:
        raise too_old(version, place)
    for reply in replies[1:]:
        if isinstance(reply, hiredis.ReplyError):
            raise explained(reply, place)
    reached(place)
    return Greeting(version)


class Standing:
    """Whether the server at the other end is still the master: after a fail-over behind one address, or one that
    sentinels know, connections stay with the old one. Writes are refused there; reads find what was, or comes late.

    Whoever reads asks ``WHO`` along with what he sends where ``due``, and leaves where ``is_replica``.
    """

    def __init__(self, now: float) -> None:
        self._sure_until = now + SURE_FOR

    def due(self, now: float) -> bool:
        """Whether to ask now; then it is not due for a while."""
        if now < self._sure_until:
            return False
        self._sure_until = now + SURE_FOR
        return True


def is_replica(reply: Any) -> bool:
    """Whether the answer to ``WHO`` says so. One that is no answer says nothing."""
    return isinstance(reply, dict) and reply.get(b"role") not in (None, b"master")


# Sentinels ------------------------------------------------------------------------------------------------------------


def sentinels(place: Place) -> list[Place]:
    """The places of the sentinels that know the master of ``place``."""
    options = dict(place.sentinel_options)
    secrets = {name: options[name] for name in ("username", "password") if options.get(name) is not None}
    return [
        Place(hosts=(host,), tls=bool(options.get("ssl")), connect_timeout=place.connect_timeout, **secrets)
        for host in place.hosts
    ]


def who_is_master(place: Place) -> Command:
    """What a sentinel is asked."""
    return ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", place.master)


def master_address(reply: Any, place: Place) -> tuple[str, int]:
    """What it answered. Raises ``OperationalError``."""
    if isinstance(reply, list) and len(reply) == 2:
        return reply[0].decode(), int(reply[1])
    raise OperationalError(f"Redis: no {place} is known" + (f" ({reply})" if reply is not None else ""))


def _version(hello: dict[bytes, Any]) -> tuple[int, ...]:
    text = hello.get(b"version", b"0").decode()
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def tune(sock: Any) -> None:
    """Small packets at once, and no patience with an end that has vanished."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)
