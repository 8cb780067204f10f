"""How a backend in Celery's shape writes and reads what it keeps: values as bytes, exceptions as data. Pure."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from umbel.app.application import Umbel
from umbel.celery.kombu import serialization
from umbel.celery.kombu.utils.url import maybe_sanitize_url
from umbel.core import states
from umbel.core.backoff import retry_delay
from umbel.core.errors import BackendError, BackendGetMetaError, BackendStoreError, ImproperlyConfigured
from umbel.wire import exceptions, serializers


class Keeping:
    """The part of a backend that makes bytes of results, and results of bytes."""

    def __init__(
        self,
        app: Umbel,
        serializer: str | None = None,
        max_cached_results: int | None = None,
        accept: Iterable[str] | None = None,
        expires: Any = None,
        expires_type: Callable[[Any], Any] | None = None,
        url: str | None = None,
        **kwargs: Any,
    ) -> None:
        conf = app.conf
        self.app = app
        self.url = url
        self.serializer: str = serializer or conf.result_serializer
        found = serializers.find(self.serializer)
        self.content_type, self.content_encoding = found.content_type, found.content_encoding
        names = conf.result_accept_content if accept is None else accept
        self.accept: Any = app.accept_content if names is None else serializers.content_types(names)
        self.expires: Any = self.prepare_expires(expires, expires_type)
        self.always_retry: bool = conf.result_backend_always_retry
        self.max_retries: float = conf.result_backend_max_retries

    def as_uri(self, include_password: bool = False) -> str:
        """Its URL."""
        return str(self.url or "" if include_password else maybe_sanitize_url(self.url or ""))

    def prepare_expires(self, value: Any, type: Callable[[Any], Any] | None = None) -> Any:
        """Seconds that results are kept: ``value``, or as the settings have it."""
        value = self.app.conf.result_expires if value is None else value
        if isinstance(value, timedelta):
            value = value.total_seconds()
        return type(value) if value is not None and type is not None else value

    # Bytes ------------------------------------------------------------------------------------------------------------

    def _encode(self, data: Any) -> tuple[str, str, Any]:
        return serialization.dumps(data, self.serializer)

    def encode(self, data: Any) -> Any:
        """A value as the backend keeps it."""
        return self._encode(data)[2]

    def decode(self, payload: Any) -> Any:
        """The value again."""
        return payload if payload is None else self._decode(payload)

    def _decode(self, payload: Any) -> Any:
        return serialization.loads(payload, self.content_type, self.content_encoding, self.accept)

    def decode_result(self, payload: Any) -> Any:
        """The record again, with its exception rebuilt."""
        return self.meta_from_decoded(self.decode(payload))

    def meta_from_decoded(self, meta: dict[str, Any]) -> dict[str, Any]:
        """A record with its exception rebuilt, if it has one."""
        if meta.get("status") in states.EXCEPTION_STATES:
            meta["result"] = self.exception_to_python(meta["result"])
        return meta

    # Values -----------------------------------------------------------------------------------------------------------

    def prepare_exception(self, exc: BaseException, serializer: str | None = None) -> Any:
        """An exception as data."""
        return exceptions.describe(exc)

    def exception_to_python(self, exc: Any) -> Any:
        """The exception again. Raises ``SecurityError`` for data that names something else."""
        return exc if exc is None or isinstance(exc, BaseException) else exceptions.rebuild(exc)

    def prepare_value(self, result: Any) -> Any:
        """A value as data."""
        return result.as_tuple() if hasattr(result, "as_tuple") else result

    def encode_result(self, result: Any, state: str) -> Any:
        """What is stored of a result: exceptions as data."""
        is_error = state in states.EXCEPTION_STATES and isinstance(result, BaseException)
        return self.prepare_exception(result) if is_error else self.prepare_value(result)

    def current_task_children(self, request: Any = None) -> Any:
        """The tuples of the results of what the task called."""
        return [child.as_tuple() for child in getattr(request, "children", None) or []]

    def _get_result_meta(
        self,
        result: Any,
        state: str,
        traceback: Any,
        request: Any,
        format_date: bool = True,
        encode: bool = False,
    ) -> dict[str, Any]:
        now: datetime | None = (
            datetime.fromtimestamp(self.app.clock.now(), UTC) if state in states.READY_STATES else None
        )
        done = now.isoformat() if format_date and now is not None else now
        meta = {
            "status": state,
            "result": result,
            "traceback": traceback,
            "children": self.current_task_children(request),
            "date_done": done,
        }
        if request is not None:
            group, parent = getattr(request, "group", None), getattr(request, "parent_id", None)
            meta |= {"group_id": group} if group else {}
            meta |= {"parent_id": parent} if parent else {}
            if self.app.conf.result_extended:
                meta |= self._extended(request, encode=encode)
        return meta

    def _extended(self, request: Any, *, encode: bool) -> dict[str, Any]:
        told = {
            "name": getattr(request, "task", None),
            "args": getattr(request, "args", None),
            "kwargs": getattr(request, "kwargs", None),
            "worker": getattr(request, "hostname", None),
            "retries": getattr(request, "retries", None),
            "queue": (getattr(request, "delivery_info", None) or {}).get("routing_key"),
        }
        for name in ("args", "kwargs") if encode else ():
            told[name] = self.encode(told[name])
        return told

    # What a subclass defines ------------------------------------------------------------------------------------------

    def store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        """Keep the result and state of a task. Raises ``BackendStoreError`` after the attempts of the settings."""
        plain = self.encode_result(result, state)
        self._ensure_retryable(
            lambda: self._store_result(task_id, plain, state, traceback, request=request, **kwargs),
            BackendStoreError("the result could not be stored", state=state, task_id=task_id),
        )
        return plain

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        raise NotImplementedError(f"{type(self).__name__} stores no results: a backend defines _store_result()")

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} reads no results: a backend defines _get_task_meta_for()")

    def _forget(self, task_id: str) -> None:
        raise NotImplementedError(f"{type(self).__name__} forgets no results: a backend defines _forget()")

    def _save_group(self, group_id: str, result: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} saves no groups")

    def _restore_group(self, group_id: str) -> Any:
        raise NotImplementedError(f"{type(self).__name__} saves no groups")

    def _delete_group(self, group_id: str) -> None:
        raise NotImplementedError(f"{type(self).__name__} saves no groups")

    # Attempts ---------------------------------------------------------------------------------------------------------

    def exception_safe_to_retry(self, exc: BaseException) -> bool:
        """Whether what was raised may be gone the next time: a place for overriding."""
        return False

    def on_backend_retryable_error(self, exc: BaseException) -> None:
        """Called before the next attempt: a place for overriding."""

    def _ensure_retryable(self, work: Callable[[], Any], failed: BackendError | None = None) -> Any:
        """Do it, again where ``result_backend_always_retry`` has it so. Raises ``failed``, or what was raised."""
        conf, attempts = self.app.conf, 0
        while True:
            try:
                return work()
            except (NotImplementedError, ImproperlyConfigured):
                raise
            except Exception as error:
                if not (self.always_retry and self.exception_safe_to_retry(error)):
                    raise
                if attempts >= self.max_retries:
                    raise failed or BackendGetMetaError("the result could not be read") from error
                self.on_backend_retryable_error(error)
                first = conf.result_backend_base_sleep_between_retries_ms / 1000
                longest = conf.result_backend_max_sleep_between_retries_ms / 1000
                self.app.clock.pause(retry_delay(attempts, factor=first, maximum=longest, jitter=None))
                attempts += 1
