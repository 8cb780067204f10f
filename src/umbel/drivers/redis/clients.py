"""redis-py clients, for odd jobs. The message path does not pass here, and does not wait for redis-py's import."""

from typing import Any

import redis
import redis.asyncio

from umbel.drivers.redis import aio, blocking
from umbel.drivers.redis.place import Place


def client(place: Place) -> "redis.Redis":
    """A blocking client. Close it."""
    return redis.Redis(**_options(place, blocking.find_master(place, place.connect_timeout) if place.master else None))


async def async_client(place: Place) -> "redis.asyncio.Redis":
    """An async client. Close it."""
    return redis.asyncio.Redis(
        **_options(place, await aio.find_master(place, place.connect_timeout) if place.master else None)
    )


def _options(place: Place, master: tuple[str, int] | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "db": place.db,
        "username": place.username,
        "password": place.password,
        "credential_provider": place.credentials,
        "socket_connect_timeout": place.connect_timeout,
        "client_name": place.client_name,
    }
    if place.path is not None:
        return {**options, "unix_socket_path": place.path}
    options["host"], options["port"] = master or place.hosts[0]
    if place.tls:
        options |= {"ssl": True, **dict(place.tls_options)}
    return options
