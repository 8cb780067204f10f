"""Between Umbel's result port and backends in Celery's shape: each as the other. Keeps nothing itself.

A backend's code is the user's: where a loop runs it is called on a thread of its own, always the same, because
connections to databases belong to their thread.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import msgspec
from msgspec import UNSET

from umbel.app.application import Umbel
from umbel.app.groups import result_from_tuple
from umbel.app.remote import value_of
from umbel.app.request import Context
from umbel.celery.backends.base import Backend
from umbel.core import states
from umbel.core.errors import BackendError, BackendGetMetaError, BackendStoreError
from umbel.core.message import Message
from umbel.core.record import Record
from umbel.core.unfolding import cut
from umbel.result.base import Groups, Store
from umbel.runtime.aside import Errands
from umbel.wire import exceptions, json

MOST_CALLS = 10_000
"""Calls that are kept until their records are written."""
POLL = 0.5
"""Seconds between two looks, where the backend names no interval."""


class BackendStore:
    """See ``result.base.Store``. Its chords are joined beside the broker."""

    def __init__(self, app: Umbel, backend: Backend, url: str) -> None:
        self.app = app
        self.backend = backend
        self.url = url
        self.expires: float | None = backend.expires
        self._sync = BackendSyncStore(app, backend)
        self._errands = Errands("umbel-backend")

    @property
    def sync(self) -> "BackendSyncStore":
        """As the port says."""
        return self._sync

    @property
    def groups(self) -> Groups:
        """As ``result.base.CanSaveGroups`` says."""
        return BackendGroups(self.app, self.backend)

    def compile(self, record: Record) -> Any:
        """Raises ``NotImplementedError``: no broker is on the backend's server."""
        raise NotImplementedError("a backend in Celery's shape is written on its own")

    def note(self, record: Record, message: Message) -> None:
        """As ``result.base.Notes`` says."""
        self._sync.note(record, message)

    async def write(self, records: Sequence[Record]) -> None:
        """As the port says."""
        await self._errands.do(lambda: self._sync.write(records))

    async def read(self, ids: Sequence[str], timeout: float | None = None, *, sure: bool = False) -> dict[str, Record]:
        """As the port says."""
        error = BackendGetMetaError("the result could not be read in time")
        try:
            async with asyncio.timeout(timeout):
                return await self._errands.do(lambda: self._sync.read(ids))
        except TimeoutError as exc:
            raise error from exc

    async def wait(self, ids: Sequence[str], timeout: float) -> None:
        """As the port says: it looks again after a while."""
        await self.app.clock.sleep(min(timeout, self._sync.interval))

    async def forget(self, ids: Sequence[str]) -> None:
        """As the port says."""
        await self._errands.do(lambda: self._sync.forget(ids))

    async def prune(self, limit: int = 1000) -> int:
        """Have the backend clean up, unless what it keeps expires by itself. It does not say how much there was."""
        if not self.backend.supports_autoexpire:
            await self._errands.do(self.backend.cleanup)
        return 0

    async def close(self) -> None:
        """Nothing is held here."""


class BackendSyncStore:
    """See ``result.base.SyncStore``."""

    def __init__(self, app: Umbel, backend: Backend) -> None:
        self.app = app
        self.backend = backend
        self.interval = backend.subpolling_interval or POLL
        self._calls: dict[str, Message] = {}

    def write(self, records: Sequence[Record]) -> None:
        """As the port says."""
        for record in records:
            error = BackendStoreError("the result could not be stored", state=record.status, task_id=record.task_id)
            _translated(lambda record=record: self._write(record), error)  # type: ignore[misc]

    def note(self, record: Record, message: Message) -> None:
        """Keep the call until its record is written. Of calls whose records never come, the oldest are forgotten."""
        calls = self._calls
        calls[record.task_id] = message
        if len(calls) > MOST_CALLS:
            for id in list(calls)[: MOST_CALLS // 10]:
                calls.pop(id, None)

    def _write(self, record: Record) -> None:
        if self.backend.get_task_meta(record.task_id, cache=False).get("status") != states.SUCCESS:
            plain = _plain(record)
            self.backend.store_result(
                record.task_id, value_of(plain), record.status, record.traceback, request=self._request(plain)
            )

    def _request(self, record: Record) -> Any:
        """The call, as Celery's backends get it: with its own headers where it is known here."""
        take = self._calls.pop if record.status in states.READY_STATES else self._calls.get
        message = take(record.task_id, None)
        if message is None:
            return _request(record)
        told = vars(_request(record))
        known = {name: told[name] for name in ("args", "kwargs", "hostname", "children")}
        return Context(message, called_directly=False, **known)

    def read(self, ids: Sequence[str], timeout: float | None = None, *, sure: bool = False) -> dict[str, Record]:
        """As the port says; how long it takes is the backend's affair."""
        found = {}
        for id in ids:
            error = BackendGetMetaError("the result could not be read", task_id=id)
            meta = _translated(lambda id=id: self.backend.get_task_meta(id, cache=False), error)  # type: ignore[misc]
            if meta.get("status", states.PENDING) != states.PENDING:
                found[id] = _record(id, meta)
        return found

    def wait(self, ids: Sequence[str], timeout: float) -> None:
        """As the port says."""
        self.app.clock.pause(min(timeout, self.interval))

    def forget(self, ids: Sequence[str]) -> None:
        """As the port says."""
        for id in ids:
            self.backend.forget(id)

    def close(self) -> None:
        """Nothing is held here."""


class BackendGroups:
    """See ``result.base.Groups``."""

    def __init__(self, app: Umbel, backend: Backend) -> None:
        self._app, self._backend = app, backend

    def save(self, id: str, shape: Sequence[Any]) -> None:
        """As the port says."""
        group = result_from_tuple(shape, self._app)
        _translated(lambda: self._backend.save_group(id, group), BackendStoreError("the group was not saved"))

    def restore(self, id: str) -> Any:
        """As the port says."""
        found = _translated(lambda: self._backend.restore_group(id, cache=False), BackendGetMetaError("not read"))
        return None if found is None else json.loads(json.dumps(found.as_tuple()))

    def delete(self, id: str) -> None:
        """As the port says."""
        _translated(lambda: self._backend.delete_group(id), BackendStoreError("the group was not forgotten"))


def _translated(work: Callable[[], Any], error: BackendError) -> Any:
    try:
        return work()
    except BackendError:
        raise
    except Exception as raised:
        error.args = (f"{error.args[0]}: {type(raised).__name__}: {raised}", *error.args[1:])
        raise error from raised


def _plain(record: Record) -> Record:
    """The record with its result decoded."""
    if type(record.result) is not msgspec.Raw:
        return record
    return msgspec.structs.replace(record, result=json.loads(bytes(record.result)))


def _request(record: Record) -> Any:
    """What the record says of the call, under the names of Celery's request."""
    known = {name: None if value is UNSET else value for name, value in msgspec.structs.asdict(record).items()}
    return SimpleNamespace(
        id=record.task_id,
        task=known["name"],
        args=known["args"],
        kwargs=known["kwargs"],
        argsrepr=None if known["args"] is None else repr(known["args"]),
        kwargsrepr=None if known["kwargs"] is None else repr(known["kwargs"]),
        hostname=known["worker"],
        retries=known["retries"],
        group=known["group_id"],
        parent_id=known["parent_id"],
        delivery_info={"routing_key": known["queue"]},
        children=[SimpleNamespace(as_tuple=lambda child=child: child) for child in record.children or ()],
        chord=None,
        errbacks=None,
        ignore_result=False,
        meta={},
    )


def _record(id: str, meta: dict[str, Any]) -> Record:
    """The record that a backend's answer is."""
    result = meta.get("result")
    if isinstance(result, BaseException):
        result = exceptions.describe(result)
    done = meta.get("date_done")
    more = {name: meta[name] for name in ("name", "args", "kwargs", "worker", "retries", "queue") if name in meta}
    record = Record(
        meta["status"],
        result,
        meta.get("traceback"),
        [child.as_tuple() if hasattr(child, "as_tuple") else child for child in meta.get("children") or ()],
        done if done is None or isinstance(done, str) else done.isoformat(),
        id,
        **more,
    )
    for name in ("group_id", "parent_id"):
        if meta.get(name):
            setattr(record, name, meta[name])
    return record


class StoreBackend(Backend):
    """``app.backend`` over a store of Umbel's own. What is not Celery's is looked up in the store."""

    supports_native_join = True
    supports_autoexpire = True

    def __init__(self, app: Umbel, store: Store) -> None:
        super().__init__(app, url=store.url)
        self.store = store

    @property
    def umbel_store(self) -> Store:
        """The store itself."""
        return self.store

    @cached_property
    def client(self) -> Any:
        """A client of redis-py at the server of the results, where that is Redis: ``AttributeError`` elsewhere."""
        from umbel.celery.kombu.connection import client_of

        return client_of(self.store)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("store", "client"):
            raise AttributeError(name)
        return getattr(self.store, name)

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **more: Any
    ) -> Any:
        meta = self._get_result_meta(result, state, traceback, request)
        self.store.sync.write([_record(task_id, meta)])
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        record = self.store.sync.read([task_id]).get(task_id)
        if record is None:
            return {"status": states.PENDING, "result": None}
        told = {name: value for name, value in msgspec.structs.asdict(_plain(record)).items() if value is not UNSET}
        return {**told, "result": value_of(record)}

    def _forget(self, task_id: str) -> None:
        self.store.sync.forget([task_id])

    def _groups(self) -> Any:
        from umbel.app.groups import saved_by

        return saved_by(self.store)

    def _save_group(self, group_id: str, result: Any) -> Any:
        self._groups().save(group_id, cut(result.as_tuple()))
        return result

    def _restore_group(self, group_id: str) -> Any:
        shape = self._groups().restore(group_id)
        return None if shape is None else {"result": result_from_tuple(shape, self.app)}

    def _delete_group(self, group_id: str) -> None:
        self._groups().delete(group_id)
