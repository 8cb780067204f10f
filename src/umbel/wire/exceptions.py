"""An exception as data, and back, in Celery's form: ``{"exc_type", "exc_message", "exc_module"}``. Pure.

Rebuilding never imports: a class is taken from a module that is loaded already, else one of its name is made up.
"""

import sys
from functools import lru_cache
from typing import Any

from umbel.core import errors
from umbel.core.errors import DecodeError, EncodeError, SecurityError
from umbel.wire import json

_OURS = errors.__name__
_MODULES = {
    "celery.exceptions": """
        ImproperlyConfigured SecurityError TaskPredicate Ignore Reject Retry TaskError QueueNotFound IncompleteStream
        NotRegistered AlreadyRegistered TimeoutError MaxRetriesExceededError TaskRevokedError InvalidTaskError
        ChordError BackendError BackendGetMetaError BackendStoreError
    """,
    "billiard.exceptions": "SoftTimeLimitExceeded TimeLimitExceeded WorkerLostError Terminated",
    "kombu.exceptions": "OperationalError SerializationError EncodeError DecodeError ContentDisallowed",
}
"""Where Celery's side looks for those of our errors that it knows. The rest go out as ``umbel.exceptions``."""

_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}
_OWN: dict[tuple[str, str], type[BaseException]] = {
    (module, name): getattr(errors, name) for name, module in _MODULE_OF.items()
} | {("celery.exceptions", "CeleryError"): errors.UmbelError}


def describe(exc: BaseException) -> dict[str, Any]:
    """The exception as data. Arguments that JSON cannot carry become their ``repr``."""
    kind = type(exc)
    module = kind.__module__
    if module == _OURS:
        module = _MODULE_OF.get(kind.__name__, "umbel.exceptions")
    return {"exc_type": kind.__qualname__, "exc_message": [_safe(arg) for arg in exc.args], "exc_module": module}


def _safe(arg: Any) -> Any:
    if json.plain(arg):
        return arg
    try:
        json.dumps(arg)
    except EncodeError:
        return _repr(arg)
    return arg


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except BaseException:  # noqa: BLE001  user code
        return f"<{type(value).__qualname__} whose repr fails>"


def rebuild(data: Any) -> BaseException:
    """The exception of this data.

    An unknown class is made up under its own name. Raises ``SecurityError`` if the name is that of something else than
    an exception, ``DecodeError`` if the data has another form.
    """
    if isinstance(data, BaseException):
        return data
    if not isinstance(data, dict) or not isinstance(data.get("exc_type"), str):
        raise DecodeError(f"not the description of an exception: {data!r}")
    name, module, args = data["exc_type"], data.get("exc_module"), data.get("exc_message", "")
    kind = _find(module if isinstance(module, str) else None, name)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise SecurityError(f"{module}.{name} is no exception; it was not called with {args!r}")
    return _build(kind, tuple(args) if isinstance(args, list | tuple) else (args,))


def _find(module: str | None, name: str) -> Any:
    if module is None:
        return _made_up("umbel.exceptions", name)
    if module == "umbel.exceptions":
        module = _OURS
    if (module, name) in _OWN:
        return _OWN[module, name]
    found: Any = sys.modules.get(module)
    for step in name.split("."):
        # Not getattr: a module's __getattr__ may import.
        found = getattr(found, "__dict__", {}).get(step)
    return _made_up(module, name) if found is None else found


@lru_cache(maxsize=1024)
def _made_up(module: str, name: str) -> type[Exception]:
    return type(name.rpartition(".")[2], (Exception,), {"__module__": module, "__qualname__": name})


def _build(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    try:
        return kind(*args)
    except Exception:  # noqa: BLE001  user code
        pass
    try:
        # Its __init__ takes other arguments than it hands up: skip it, so that `except` still matches.
        exc = kind.__new__(kind, *args)
        str(exc)
    except Exception:  # noqa: BLE001  user code
        return Exception(f"{kind.__module__}.{kind.__qualname__}{args!r}")
    return exc
