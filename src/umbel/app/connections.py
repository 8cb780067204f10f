"""An app's broker and result store: which, opened when first needed, kept until the configuration names others.

Safe to use from many threads. What is cached may be used after a fork: the adapters see to that.
"""

import asyncio
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from umbel.app import stores
from umbel.app.identity import uuid
from umbel.broker.base import Admin, Broker, Declares, Producer, SyncProducer
from umbel.broker.lookup import open_broker
from umbel.core.delivery import ConsumerId, Revocation
from umbel.core.errors import ImproperlyConfigured
from umbel.result.base import CanJoin, Joins, Store
from umbel.result.lookup import BUILT, open_store
from umbel.runtime.unpatched import RLock
from umbel.wire import serializers
from umbel.wire.records import Codec

if TYPE_CHECKING:
    from umbel.app.application import Umbel

_REDIS = ("redis", "unix", "sentinel")


class _Opened(NamedTuple):
    """A broker, under the version of the configuration that asked for it."""

    version: int
    key: tuple[Any, ...]
    broker: Broker
    producer: SyncProducer


class Connections:
    """What one app has open."""

    def __init__(self, app: "Umbel") -> None:
        self._app = app
        self._lock = RLock()
        self._broker: _Opened | None = None
        self._store: tuple[int, tuple[Any, ...], Store | None] | None = None
        self._beside: tuple[tuple[Any, ...], Store] | None = None
        self._producers: weakref.WeakKeyDictionary[Any, tuple[Broker, Producer]] = weakref.WeakKeyDictionary()

    @property
    def broker_url(self) -> str:
        """The broker's URL in force. Raises ``ImproperlyConfigured`` without one under Celery's defaults."""
        conf = self._app.conf
        if conf.broker_url is not None:
            return conf.broker_url
        if conf.defaults == "celery":
            raise ImproperlyConfigured("no broker is configured: set broker_url, or pass broker= to the app")
        return f"sqlite:///{self._app.home / 'umbel.db'}"

    @property
    def broker(self) -> Broker:
        """The broker."""
        return self._open().broker

    @property
    def sync_producer(self) -> SyncProducer:
        """The blocking producer."""
        return self._open().producer

    def _open(self) -> _Opened:
        conf = self._app.conf
        opened = self._broker
        if opened is not None and opened.version == conf.version:
            return opened
        with self._lock:
            version, key = conf.version, (self.broker_url, self._broker_options())
            opened = self._broker
            if opened is not None and opened.key == key:
                opened = opened._replace(version=version)
            else:
                broker = open_broker(key[0], clock=self._app.clock, options=key[1])
                opened = _Opened(version, key, broker, broker.sync_producer())
            if isinstance(opened.broker, Declares):
                opened.broker.declare(self._app.queues_by_name.values())
            self._broker = opened
        return opened

    def producer(self) -> Producer:
        """The producer of the running event loop."""
        loop = asyncio.get_running_loop()
        broker = self.broker
        known = self._producers.get(loop)
        if known is None or known[0] is not broker:
            known = self._producers[loop] = (broker, broker.producer())
        return known[1]

    @property
    def store(self) -> Store | None:
        """The result store, if results are configured."""
        conf = self._app.conf
        known = self._store
        if known is not None and known[0] == conf.version:
            return known[2]
        with self._lock:
            lives = (conf.result_expires, conf.result_failure_expires)
            version, key = conf.version, (self._store_url(), lives, self._store_options(), self._codec())
            if self._store is not None and self._store[1] == key:
                store = self._store[2]
            elif key[0] is None:
                store = None
            else:
                store = self._opened(
                    key[0],
                    expires=lives[0] or None,
                    failure_expires=lives[1],
                    codec=key[3],
                    clock=self._app.clock,
                    options=key[2],
                )
            self._store = (version, key, store)
        return store

    @property
    def joins(self) -> Joins | None:
        """The joins of the result store; for one that cannot join, as none of Celery's can, some beside the broker.

        None where there is no result store, or where none serves the broker's URL.
        """
        store = self.store
        if store is None or isinstance(store, CanJoin):
            return None if store is None else store.joins
        conf, url = self._app.conf, self.broker_url
        if url.partition("://")[0] not in BUILT:
            return None
        with self._lock:
            key = (url, conf.result_expires, self._beside_options())
            if self._beside is None or self._beside[0] != key:
                opened = open_store(url, expires=key[1] or None, clock=self._app.clock, options=key[2])
                self._beside = (key, opened)
            beside = self._beside[1]
        return beside.joins if isinstance(beside, CanJoin) else None

    def _beside_options(self) -> dict[str, Any]:
        """How a store is reached that stands beside the broker."""
        if not self.broker_url.startswith(_REDIS):
            return {}
        conf, shared = self._app.conf, ("global_keyprefix", "master_name", "sentinel_kwargs", "username", "password")
        given = {"socket_connect_timeout": conf.broker_connection_timeout, "ssl": conf.broker_use_ssl}
        return given | {
            name: conf.broker_transport_options[name] for name in shared if name in conf.broker_transport_options
        }

    def _opened(self, url: str, **options: Any) -> Store:
        return stores.named_store(self._app, url, **options) if stores.is_named(url) else open_store(url, **options)

    def _codec(self) -> Codec:
        """How results are written and read. Raises ``ImproperlyConfigured`` for a serializer or method that is not."""
        conf = self._app.conf
        return Codec(conf.result_serializer, conf.result_compression, self.accept_results)

    @property
    def accept_results(self) -> frozenset[str]:
        """The content types of results that may be read."""
        names = self._app.conf.result_accept_content
        return self._app.accept_content if names is None else serializers.content_types(names)

    def _store_url(self) -> str | None:
        conf = self._app.conf
        if conf.result_backend is not None:
            return None if conf.result_backend.partition(":")[0] == "disabled" else conf.result_backend
        if conf.defaults == "celery" or self.broker.features.reach == "network":
            return None
        return self.broker_url

    def _broker_options(self) -> dict[str, Any]:
        conf = self._app.conf
        if not self.broker_url.startswith(_REDIS):
            if conf.broker_use_ssl:
                scheme = self.broker_url.partition(":")[0]
                raise ImproperlyConfigured(f"broker_use_ssl is set, and {scheme}:// has no TLS; leave it out")
            return {**self._dead_options(), **conf.broker_transport_options}
        given = {
            "socket_connect_timeout": conf.broker_connection_timeout,
            "ssl": conf.broker_use_ssl,
            "pool_limit": conf.broker_pool_limit or 0,
        }
        return {**given, **self._dead_options(), **conf.broker_transport_options}

    def _dead_options(self) -> dict[str, Any]:
        """How long dead letters are kept, and how many, where somebody says so. 0 keeps no failures, but the others."""
        conf, given = self._app.conf, {}
        if conf.value_set_for("task_keep_failed") and conf.task_keep_failed:
            given["dead_expires"] = conf.task_keep_failed
        if conf.value_set_for("task_keep_failed_limit"):
            given["dead_limit"] = conf.task_keep_failed_limit
        return given

    def _store_options(self) -> dict[str, Any]:
        conf = self._app.conf
        if not (conf.result_backend or "").startswith(_REDIS):
            return conf.result_backend_transport_options
        named = {
            "client_name": conf.redis_client_name,
            "max_connections": conf.redis_max_connections,
            "credential_provider": conf.redis_backend_credential_provider,
            "socket_connect_timeout": conf.redis_socket_connect_timeout,
            "socket_timeout": conf.redis_socket_timeout,
            "ssl": conf.redis_backend_use_ssl,
        }
        given = {option: value for option, value in named.items() if value is not None}
        return {**given, **conf.result_backend_transport_options}

    @asynccontextmanager
    async def keeper(self) -> AsyncIterator[Admin]:
        """A look at the broker, and orders to it, by somebody who claims nothing. For the running event loop."""
        consumer = self.broker.consumer(ConsumerId(uuid(self._app.clock.now())), node=self._app.nodename, queues=())
        keeper = self.broker.keeper(consumer)
        try:
            yield keeper
        finally:
            await keeper.close()

    async def revoke(self, marks: Sequence[Revocation], *, due: float | None = None) -> None:
        """Mark tasks in the broker, of which the last is ``due`` then (wall seconds)."""
        ahead = 0.0 if due is None else max(0.0, due - self._app.clock.now())
        async with self.keeper() as keeper:
            await keeper.revoke(marks, expires=self._app.conf.worker_revoke_expires + ahead)

    def close(self) -> None:
        """Free the connections. They are opened anew when needed."""
        with self._lock:
            opened, self._broker = self._broker, None
            known, self._store = self._store, None
            beside, self._beside = self._beside, None
            self._producers.clear()
        if known is not None and known[2] is not None:
            known[2].sync.close()
        if beside is not None:
            beside[1].sync.close()
        if opened is not None:
            opened.producer.close()
            opened.broker.close()
