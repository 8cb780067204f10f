"""Celery's ``backends.base``: base classes of backends, over which a subclass keeps results where it likes.

``result_backend="proj.results:Mine"`` names a subclass. It defines ``_store_result`` and ``_get_task_meta_for``, or for
``KeyValueStoreBackend`` ``get``, ``set`` and ``delete``. Umbel asks it through ``BackendStore`` (``backends.store``);
joins of chords are not kept by it, but beside the broker. ``app.backend`` is one, too, over whatever store the app has.
"""

from typing import Any, NoReturn

from umbel.app.application import Umbel
from umbel.app.groups import GroupResult, result_from_tuple
from umbel.celery import offered
from umbel.celery._state import get_current_task
from umbel.celery.backends.keeping import Keeping
from umbel.celery.backends.marking import Marking
from umbel.core import states
from umbel.core.errors import NotRegistered
from umbel.core.errors import TimeoutError as OwnTimeoutError
from umbel.result.base import Store
from umbel.runtime.clock import SYSTEM


class Backend(Keeping, Marking):
    """A backend: what it is asked, on top of what it keeps (``Keeping``) and is told (``Marking``)."""

    READY_STATES = states.READY_STATES
    UNREADY_STATES = states.UNREADY_STATES
    EXCEPTION_STATES = states.EXCEPTION_STATES
    TimeoutError = OwnTimeoutError

    supports_native_join = False
    supports_autoexpire = False
    persistent = True
    subpolling_interval: float | None = None

    # As a store of Umbel's --------------------------------------------------------------------------------------------

    @classmethod
    def as_store(cls, app: Umbel, url: str | None) -> Store:
        """A store that asks a backend of this class."""
        from umbel.celery.backends.store import BackendStore

        return BackendStore(app, cls(app=app, url=url), url or f"{cls.__module__}:{cls.__qualname__}")

    @property
    def umbel_store(self) -> Store:
        """A store that asks this backend: what a handle on a result reads that is given it."""
        from umbel.celery.backends.store import BackendStore

        return BackendStore(self.app, self, self.as_uri())

    # What it is asked -------------------------------------------------------------------------------------------------

    def get_task_meta(self, task_id: str, cache: bool = True) -> dict[str, Any]:
        """What is known of a task: ``status``, ``result``, ``traceback``, ``children``, …. PENDING if nothing is."""
        found: dict[str, Any] = self._ensure_retryable(lambda: self._get_task_meta_for(task_id))
        return found

    get_task_meta_for = get_task_meta

    def reload_task_result(self, task_id: str) -> dict[str, Any]:
        """``get_task_meta``: nothing is remembered."""
        return self.get_task_meta(task_id)

    def task_result_exists(self, task_id: str) -> bool:
        """Whether anything is known of it."""
        return self.get_state(task_id) != states.PENDING

    def get_state(self, task_id: str) -> str:
        """The state."""
        return str(self.get_task_meta(task_id)["status"])

    get_status = get_state

    def get_result(self, task_id: str) -> Any:
        """The value, or the exception."""
        return self.get_task_meta(task_id).get("result")

    def get_traceback(self, task_id: str) -> str | None:
        """The traceback as text, if it failed."""
        return self.get_task_meta(task_id).get("traceback")

    def get_children(self, task_id: str) -> Any:
        """The tuples of the results of what it called."""
        return self.get_task_meta(task_id).get("children")

    def wait_for(
        self, task_id: str, timeout: float | None = None, interval: float = 0.5, **more: Any
    ) -> dict[str, Any]:
        """``get_task_meta`` once the task has ended. Raises ``TimeoutError`` after ``timeout`` seconds."""
        end = None if timeout is None else SYSTEM.monotonic() + timeout
        while (meta := self.get_task_meta(task_id))["status"] not in self.READY_STATES:
            if end is not None and SYSTEM.monotonic() >= end:
                raise self.TimeoutError("The operation timed out.")
            SYSTEM.pause(interval)
        return meta

    # Groups -----------------------------------------------------------------------------------------------------------

    def save_group(self, group_id: str, result: GroupResult) -> Any:
        """Keep which results a group has."""
        return self._save_group(group_id, result)

    def restore_group(self, group_id: str, cache: bool = True) -> Any:
        """The group that was kept, or None."""
        meta = self.get_group_meta(group_id, cache)
        return meta["result"] if meta else None

    def get_group_meta(self, group_id: str, cache: bool = True) -> Any:
        """``{"result": the group}``, or None."""
        return self._restore_group(group_id)

    def delete_group(self, group_id: str) -> Any:
        """Forget it."""
        return self._delete_group(group_id)

    # Upkeep -----------------------------------------------------------------------------------------------------------

    def forget(self, task_id: str) -> None:
        """Delete what is known of a task."""
        self._forget(task_id)

    def cleanup(self) -> None:
        """Delete what has expired. A worker calls it now and then."""

    def process_cleanup(self) -> None:
        """Called when a process has run a task: a place for overriding. Umbel calls it never."""

    def add_to_chord(self, chord_id: str, result: Any) -> NoReturn:
        """Raises ``NotImplementedError``: see ``Task.add_to_chord``."""
        raise NotImplementedError("a backend adds nothing to chords: task.add_to_chord() does")

    def ensure_chords_allowed(self) -> None:
        """Nothing stands against them here."""


class BaseBackend(Backend):
    """A backend, for subclasses."""


SyncBackendMixin = object
BaseDictBackend = BaseBackend


class KeyValueStoreBackend(BaseBackend):
    """A backend that keeps everything as bytes under keys. A subclass defines ``get``, ``set`` and ``delete``."""

    task_keyprefix = "celery-task-meta-"
    group_keyprefix = "celery-taskset-meta-"
    chord_keyprefix = "chord-unlock-"
    implements_incr = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        transport: dict[str, Any] = self.app.conf.result_backend_transport_options or {}
        self._prefix: str = transport.get("global_keyprefix") or ""

    def key_t(self, key: str) -> Any:
        """A key as the server takes it: bytes."""
        return key.encode()

    def get(self, key: Any) -> Any:
        """The value, or None."""
        raise NotImplementedError("a KeyValueStoreBackend defines get()")

    def set(self, key: Any, value: Any) -> Any:
        """Keep a value."""
        raise NotImplementedError("a KeyValueStoreBackend defines set()")

    def delete(self, key: Any) -> Any:
        """Forget a value."""
        raise NotImplementedError("a KeyValueStoreBackend defines delete()")

    def mget(self, keys: Any) -> Any:
        """Several values."""
        return [self.get(key) for key in keys]

    def _set_with_state(self, key: Any, value: Any, state: str) -> Any:
        return self.set(key, value)

    def get_key_for_task(self, task_id: str, key: str = "") -> Any:
        """The key of a task's record."""
        return self.key_t(f"{self._prefix}{self.task_keyprefix}{task_id}{key}")

    def get_key_for_group(self, group_id: str, key: str = "") -> Any:
        """The key of a group."""
        return self.key_t(f"{self._prefix}{self.group_keyprefix}{group_id}{key}")

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **more: Any
    ) -> Any:
        meta = {**self._get_result_meta(result, state, traceback, request), "task_id": task_id}
        if self._get_task_meta_for(task_id)["status"] != states.SUCCESS:
            self._set_with_state(self.get_key_for_task(task_id), self.encode(meta), state)
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        data = self.get(self.get_key_for_task(task_id))
        return self.decode_result(data) if data else {"status": states.PENDING, "result": None}

    def _forget(self, task_id: str) -> None:
        self.delete(self.get_key_for_task(task_id))

    def _save_group(self, group_id: str, result: Any) -> Any:
        self._set_with_state(
            self.get_key_for_group(group_id), self.encode({"result": result.as_tuple()}), states.SUCCESS
        )
        return result

    def _restore_group(self, group_id: str) -> Any:
        data = self.get(self.get_key_for_group(group_id))
        if not data:
            return None
        meta = self.decode(data)
        return {**meta, "result": result_from_tuple(meta["result"], self.app)}

    def _delete_group(self, group_id: str) -> None:
        self.delete(self.get_key_for_group(group_id))


class DisabledBackend(BaseBackend):
    """The backend of an app that keeps no results: storing does nothing, and asking raises ``NotImplementedError``."""

    def store_result(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is kept."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        from umbel.app.results import NO_STORE

        raise NotImplementedError(NO_STORE)

    get_state = get_status = get_result = get_traceback = get_task_meta = get_task_meta_for = _refuse
    wait_for = get_children = _refuse

    def as_uri(self, *args: Any, **kwargs: Any) -> str:
        """``disabled://``."""
        return "disabled://"


def backend_of(app: Umbel) -> Any:
    """What ``app.backend`` is: the backend itself where it is one, else one over the app's store."""
    from umbel.celery.backends.store import BackendStore, StoreBackend

    store = app.store
    if store is None:
        return DisabledBackend(app)
    return store.backend if isinstance(store, BackendStore) else StoreBackend(app, store)


__all__ = [
    "Backend",
    "BaseBackend",
    "BaseDictBackend",
    "DisabledBackend",
    "KeyValueStoreBackend",
    "NotRegistered",
    "get_current_task",
]

__getattr__ = offered.names_not_in(__name__)
