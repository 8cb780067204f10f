"""Which store serves a result URL. The only place in ``umbel.result`` that imports adapters: when asked for one."""

from collections.abc import Mapping
from typing import Any, cast

from umbel.core.errors import ImproperlyConfigured
from umbel.result.base import Store
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire.optional import adapter
from umbel.wire.records import JSON, Codec

BUILT = {
    "sqlite": "umbel.result.sqlite:SqliteStore",
    **dict.fromkeys(("memory", "cache+memory"), "umbel.result.memory:MemoryStore"),  # the second is Celery's name of it
    **dict.fromkeys(("redis", "rediss", "redis+socket", "unix", "sentinel"), "umbel.result.redis:RedisStore"),
}

PLANNED = frozenset(
    {"rpc", "postgresql", "postgres", "mongodb", "cache", "file", "s3"}
    | {"elasticsearch", "cassandra", "couchbase", "couchdb", "dynamodb", "consul", "cosmosdbsql", "azureblockblob"}
    | {"arangodb", "gs", "valkey", "valkeys", "amqp"}
)
"""Schemes that Celery's users may have, and that Umbel does not serve yet; those that begin with ``db+`` as well."""


def open_store(
    url: str,
    *,
    expires: float | None,
    failure_expires: float | None = None,
    codec: Codec = JSON,
    clock: Clock = SYSTEM,
    options: Mapping[str, Any] | None = None,
) -> Store:
    """The store of a URL; connects nothing yet. Raises ``ImproperlyConfigured``.

    Records live ``expires`` seconds (None: for ever), those of failures ``failure_expires`` (None: as the others, 0:
    for ever). ``codec`` makes bytes of them.
    """
    scheme = url.partition("://")[0]
    if "://" not in url or scheme not in BUILT:
        raise ImproperlyConfigured(_not_built(url, scheme))
    module, _, name = BUILT[scheme].partition(":")
    make = getattr(adapter(module), name)
    return cast(
        Store, make(url, expires=expires, failure_expires=failure_expires, codec=codec, clock=clock, options=options)
    )


def _not_built(url: str, scheme: str) -> str:
    built = ", ".join(f"{name}://" for name in BUILT)
    if "://" not in url:
        return f"result URL {url!r} has no scheme: write for example sqlite:///umbel.db (built: {built})"
    if scheme in PLANNED or scheme.startswith("db+"):
        return f"results at {scheme}:// are not built yet; built are {built}"
    return f"no result store serves {scheme}://; built are {built}"
