"""Asks sentinels who the master is, and makes redis-py clients for odd jobs. The message path does not pass here."""

from typing import Any

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

from umbel.core.errors import OperationalError
from umbel.drivers.redis.place import Place


def find_master(place: Place) -> tuple[str, int]:
    """Host and port of the master that the sentinels of ``place`` know. Raises ``OperationalError``."""
    sentinel: Any = redis.sentinel.Sentinel(list(place.hosts), sentinel_kwargs=_options(place))  # type: ignore[no-untyped-call]
    try:
        host, port = sentinel.discover_master(place.master)
    except redis.RedisError as exc:
        raise _unknown(place, exc) from exc
    finally:
        for client in sentinel.sentinels:
            client.close()
    return host, port


async def find_master_async(place: Place) -> tuple[str, int]:
    """As ``find_master``."""
    sentinel: Any = redis.asyncio.sentinel.Sentinel(list(place.hosts), sentinel_kwargs=_options(place))  # type: ignore[no-untyped-call]
    try:
        host, port = await sentinel.discover_master(place.master)
    except redis.RedisError as exc:
        raise _unknown(place, exc) from exc
    finally:
        for client in sentinel.sentinels:
            await client.aclose()
    return host, port


def client(place: Place) -> "redis.Redis":
    """A blocking redis-py client, for odd jobs. Close it."""
    return redis.Redis(**_client_options(place, find_master(place) if place.master else None))


async def async_client(place: Place) -> "redis.asyncio.Redis":
    """An async redis-py client, for odd jobs. Close it."""
    return redis.asyncio.Redis(**_client_options(place, await find_master_async(place) if place.master else None))


def _client_options(place: Place, master: tuple[str, int] | None) -> dict[str, Any]:
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


def _options(place: Place) -> dict[str, Any]:
    return {"socket_timeout": place.connect_timeout, **dict(place.sentinel_options)}


def _unknown(place: Place, error: Exception) -> OperationalError:
    return OperationalError(f"Redis: no sentinel names a usable {place}: {error}")
