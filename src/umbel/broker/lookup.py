"""Which adapter serves a broker URL. The only place in ``umbel.broker`` that imports adapters: when asked for one."""

from collections.abc import Mapping
from typing import Any, cast

from umbel.broker.base import Broker
from umbel.core.errors import ImproperlyConfigured
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire.optional import adapter

BUILT = {
    "sqlite": "umbel.broker.sqlite:SqliteBroker",
    "memory": "umbel.broker.memory:MemoryBroker",
    "redis": "umbel.broker.redis:RedisBroker",
    "rediss": "umbel.broker.redis:RedisBroker",
    "redis+socket": "umbel.broker.redis:RedisBroker",
    "unix": "umbel.broker.redis:RedisBroker",
    "sentinel": "umbel.broker.redis:RedisBroker",
}

PLANNED = frozenset(
    {"amqp", "amqps", "pyamqp", "librabbitmq", "postgresql", "postgres"}
    | {
        "sqs",
        "azureservicebus",
        "azurestoragequeues",
        "gcpubsub",
        "kafka",
        "confluentkafka",
        "mongodb",
        "etcd",
        "zookeeper",
    }
    | {"consul", "filesystem", "pyro", "qpid", "sla", "sqla", "SLMQ", "valkey", "valkeys"}
)
"""Schemes that Celery's users may have, and that Umbel does not serve yet."""


def open_broker(url: str, *, clock: Clock = SYSTEM, options: Mapping[str, Any] | None = None) -> Broker:
    """The broker of a URL; connects nothing yet. Raises ``ImproperlyConfigured``."""
    scheme = url.partition("://")[0]
    if "://" not in url or scheme not in BUILT:
        raise ImproperlyConfigured(_not_built(url, scheme))
    module, _, name = BUILT[scheme].partition(":")
    return cast(Broker, getattr(adapter(module), name)(url, clock=clock, options=options))


def _not_built(url: str, scheme: str) -> str:
    built = ", ".join(f"{name}://" for name in BUILT)
    if "://" not in url:
        return f"broker URL {url!r} has no scheme: write for example sqlite:///umbel.db (built: {built})"
    if scheme in PLANNED:
        return f"brokers at {scheme}:// are not built yet; built are {built}"
    return f"no broker serves {scheme}://; built are {built}"
