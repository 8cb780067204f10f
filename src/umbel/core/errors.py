"""The error tree: everything that Umbel raises itself. No other module defines a public error.

    Exception
    ├── UmbelError
    │   ├── ImproperlyConfigured            a setting, URL or option is wrong
    │   │   └── ParseException                  a crontab or another schedule is; also a ValueError
    │   ├── SecurityError                   something untrusted was refused
    │   ├── TaskPredicate                   raised by a task to say what becomes of it; no failure
    │   │   ├── Ignore
    │   │   ├── Reject(reason, requeue)
    │   │   └── Retry(message, exc, when, is_eager, sig)
    │   ├── TaskError
    │   │   ├── QueueNotFound(name, known)          also a KeyError
    │   │   ├── IncompleteStream
    │   │   ├── NotRegistered(name)                 also a KeyError
    │   │   ├── AlreadyRegistered
    │   │   ├── TimeoutError                        also the built-in TimeoutError
    │   │   ├── MaxRetriesExceededError
    │   │   ├── TaskRevokedError
    │   │   ├── InvalidTaskError
    │   │   ├── ChordError
    │   │   └── PayloadTooLarge(name, size, limit)
    │   ├── BackendError
    │   │   ├── BackendGetMetaError(task_id)
    │   │   └── BackendStoreError(state, task_id)
    │   ├── OperationalError                the broker or the store cannot be reached, or refuses
    │   └── SerializationError
    │       ├── EncodeError(reason, path)
    │       ├── DecodeError
    │       │   └── Undecodable(reason)             bytes in a queue that are no message
    │       └── ContentDisallowed
    ├── SoftTimeLimitExceeded(seconds)      raised inside the task: catch it to clean up
    ├── TimeLimitExceeded(seconds)
    ├── WorkerLostError
    └── Terminated

The last four are what becomes of a running task, not errors of Umbel: ``except UmbelError`` in a task lets them pass.
Each error is rebuilt by ``type(error)(*error.args)``, so that it survives pickle and the result store. The names are
Celery's.
"""

import builtins
import pickle
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any


class UmbelError(Exception):
    """The root."""


class ImproperlyConfigured(UmbelError):
    """A setting, a URL or an option is wrong; the text says which, and what would be right."""


class ParseException(ImproperlyConfigured, ValueError):
    """A crontab or another schedule cannot be; the text names the field and what it takes."""


class SecurityError(UmbelError):
    """Something that came from outside was refused because using it could run foreign code."""


# Raised by a task to say what becomes of it ---------------------------------------------------------------------------


class TaskPredicate(UmbelError):
    """Ends a task without being a failure of it."""


class Ignore(TaskPredicate):
    """Store no state for this run."""


class Reject(TaskPredicate):
    """Give the message back to the broker: to its queue if ``requeue``, else to the dead letters."""

    def __init__(self, reason: Any = None, requeue: bool = False) -> None:
        self.reason = reason
        self.requeue = requeue
        super().__init__(reason, requeue)

    def __str__(self) -> str:
        what = "rejected, back to its queue" if self.requeue else "rejected"
        return f"{what}: {self.reason}" if self.reason is not None else what


class Retry(TaskPredicate):
    """Run the task again. ``task.retry()`` raises it after it made the message that does so.

    ``exc`` is why, ``when`` is seconds from now or the time itself, ``sig`` is the call to come, ``is_eager`` says
    that it runs in place. ``excs`` is the text of ``exc``, kept where ``exc`` itself cannot travel.
    """

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | str | None = None,
        when: float | datetime | None = None,
        is_eager: bool = False,
        sig: Any = None,
    ) -> None:
        self.message = message
        self.exc: BaseException | None = None if isinstance(exc, str) else exc
        self.excs: str | None = exc if exc is None or isinstance(exc, str) else repr(exc)
        self.when = when
        self.is_eager = is_eager
        self.sig = sig
        super().__init__(message, exc, when, is_eager, sig)

    def humanize(self) -> str:
        """When, for a person: ``in 180s``, or ``at 2026-11-20 15:36:22+00:00``."""
        return f"in {self.when}s" if isinstance(self.when, int | float) else f"at {self.when}"

    def __str__(self) -> str:
        if self.message:
            return self.message
        text = f"Retry {self.humanize()}" if self.when is not None else "Retry"
        return f"{text}: {self.excs}" if self.excs else text

    def __reduce__(self) -> tuple[Any, ...]:
        # A cause that does not pickle travels as its text; a signature is bound to an app and stays here.
        return type(self), (self.message, self.exc if _pickles(self.exc) else self.excs, self.when, self.is_eager)


def _pickles(value: Any) -> bool:
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:  # noqa: BLE001  user classes raise anything here
        return False
    return value is not None


# Calling tasks --------------------------------------------------------------------------------------------------------


class TaskError(UmbelError):
    """Something about a task, its call or its message is wrong."""


class QueueNotFound(TaskError, KeyError):
    """A call names a queue that is not declared, and missing queues are not created. ``known`` are those declared."""

    def __init__(self, name: str = "", known: Iterable[str] = ()) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(known)
        super().__init__(name, self.known)

    def __str__(self) -> str:
        known = ", ".join(sorted(self.known)) or "none"
        return (
            f"no queue {self.name!r}; known queues: {known}. "
            "Add it to task_queues, or set task_create_missing_queues = True"
        )


class IncompleteStream(TaskError):
    """A task that ``AsyncResult.iterdeps`` came to has not ended."""


class NotRegistered(TaskError, KeyError):
    """No task of this name is known here."""

    def __str__(self) -> str:
        name = self.args[0] if self.args else None
        return f"no task {name!r} here: import the module that defines it (settings `imports` or `include`)"


class AlreadyRegistered(TaskError):
    """A second task wants a name that is taken."""


class TimeoutError(TaskError, builtins.TimeoutError):
    """A result did not come in time. The task itself goes on."""


class MaxRetriesExceededError(TaskError):
    """A task asked for one retry more than it has. ``task_args`` and ``task_kwargs`` are those of the call."""

    def __init__(self, *args: Any, task_args: Sequence[Any] = (), task_kwargs: Mapping[str, Any] | None = None) -> None:
        self.task_args: Sequence[Any] = task_args
        self.task_kwargs: Mapping[str, Any] = {} if task_kwargs is None else task_kwargs
        super().__init__(*args)


class TaskRevokedError(TaskError):
    """The task was revoked, or expired before it began."""


class InvalidTaskError(TaskError):
    """A message or a call has not the shape of a task."""


class ChordError(TaskError):
    """A task in the header of a chord failed, or the chord itself did."""


class PayloadTooLarge(TaskError):
    """A message is larger than ``task_max_payload``. Sizes are in bytes."""

    def __init__(self, name: str = "", size: int = 0, limit: int = 0) -> None:
        self.name = name
        self.size = size
        self.limit = limit
        super().__init__(name, size, limit)

    def __str__(self) -> str:
        return (
            f"the arguments of {self.name} are {self.size:,} bytes, over task_max_payload ({self.limit:,}): "
            "store the data elsewhere and pass its id, or raise task_max_payload"
        )


# Brokers and stores ---------------------------------------------------------------------------------------------------


class BackendError(UmbelError):
    """The result store failed."""


class BackendGetMetaError(BackendError):
    """A result could not be read."""

    def __init__(self, *args: Any, task_id: str = "") -> None:
        self.task_id = task_id
        super().__init__(*args)

    def __str__(self) -> str:
        return _with(super().__str__(), task_id=self.task_id)


class BackendStoreError(BackendError):
    """A result could not be stored."""

    def __init__(self, *args: Any, state: str = "", task_id: str = "") -> None:
        self.state = state
        self.task_id = task_id
        super().__init__(*args)

    def __str__(self) -> str:
        return _with(super().__str__(), state=self.state, task_id=self.task_id)


def _with(text: str, **facts: str) -> str:
    found = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
    return f"{text} ({found})" if found else text


class OperationalError(UmbelError):
    """The broker or the store cannot be reached, or refuses; trying again later may help."""


# Bytes and values -----------------------------------------------------------------------------------------------------


class SerializationError(UmbelError):
    """A value does not become bytes, or bytes no value."""


class EncodeError(SerializationError):
    """A value cannot be serialized. ``path`` leads to it: names, indexes and keys, outermost first."""

    def __init__(self, reason: str = "", path: Iterable[Any] = ()) -> None:
        self.reason = reason
        self.path: tuple[Any, ...] = tuple(path)
        super().__init__(reason, self.path)

    def __str__(self) -> str:
        if not self.path:
            return self.reason
        first, *rest = self.path
        where = first if isinstance(first, str) else f"value[{first!r}]"
        return f"{where}{''.join(f'[{step!r}]' for step in rest)}: {self.reason}"


class DecodeError(SerializationError):
    """Bytes cannot be read as what their content type says."""


class Undecodable(DecodeError):
    """Bytes in a queue that are no message. ``reason`` is one line."""

    @property
    def reason(self) -> str:
        """Why not."""
        return str(self)


class ContentDisallowed(SerializationError):
    """The content type is not in ``accept_content``; the bytes were not looked at."""


# What becomes of a running task ---------------------------------------------------------------------------------------


class SoftTimeLimitExceeded(Exception):
    """The soft time limit passed. Raised inside the task, which may clean up and return."""

    def __str__(self) -> str:
        return _limit("soft", self.args)


class TimeLimitExceeded(Exception):
    """The hard time limit passed, and the task was ended."""

    def __str__(self) -> str:
        return _limit("hard", self.args)


def _limit(kind: str, args: tuple[Any, ...]) -> str:
    if len(args) == 1 and isinstance(args[0], int | float):
        return f"{kind} time limit ({args[0]:g} s) exceeded"
    return " ".join(map(str, args)) or f"{kind} time limit exceeded"


class WorkerLostError(Exception):
    """The process that ran the task died."""


class Terminated(Exception):
    """An operator ended the running task."""


# Warnings -------------------------------------------------------------------------------------------------------------


class UmbelWarning(UserWarning):
    """The root of Umbel's warnings."""


class AlwaysEagerIgnored(UmbelWarning):
    """``task_always_eager`` does not hold for ``send_task``."""


class NotConfigured(UmbelWarning):
    """A default is used where a setting is expected."""


class SecurityWarning(UmbelWarning):
    """Something works and is not safe."""


class DuplicateTaskNameWarning(UmbelWarning):
    """Two functions register under one task name."""
