"""Celery's ``exceptions``: Umbel's errors, the roots also under Celery's names, and those that only Celery has."""

from types import TracebackType
from typing import NoReturn

from umbel.celery import offered
from umbel.core.errors import (
    AlreadyRegistered,
    AlwaysEagerIgnored,
    BackendError,
    BackendGetMetaError,
    BackendStoreError,
    ChordError,
    ContentDisallowed,
    DecodeError,
    DuplicateTaskNameWarning,
    EncodeError,
    Ignore,
    ImproperlyConfigured,
    IncompleteStream,
    InvalidTaskError,
    MaxRetriesExceededError,
    NotConfigured,
    NotRegistered,
    OperationalError,
    ParseException,
    PayloadTooLarge,
    QueueNotFound,
    Reject,
    Retry,
    SecurityError,
    SecurityWarning,
    SerializationError,
    SoftTimeLimitExceeded,
    TaskError,
    TaskPredicate,
    TaskRevokedError,
    Terminated,
    TimeLimitExceeded,
    TimeoutError,
    Undecodable,
    WorkerLostError,
)
from umbel.core.errors import UmbelError as CeleryError
from umbel.core.errors import UmbelWarning as CeleryWarning


class FixupWarning(CeleryWarning):
    """What adapts an app to a framework found something odd. Umbel never gives it."""


class DuplicateNodenameWarning(CeleryWarning):
    """Several workers have one name. Umbel tells workers apart otherwise, and never gives it."""


class CDeprecationWarning(DeprecationWarning):
    """A name of Celery's goes away."""


class CPendingDeprecationWarning(PendingDeprecationWarning):
    """A name of Celery's will go away."""


class WorkerShutdown(SystemExit):
    """Raised by code of a worker to end it: in a receiver of a signal, or a step, as it starts."""


class WorkerTerminate(SystemExit):
    """As ``WorkerShutdown``, at once."""


SystemTerminate = WorkerTerminate
RetryTaskError = Retry


def reraise(tp: type[BaseException], value: BaseException, tb: TracebackType | None = None) -> NoReturn:
    """Raise it again, with a traceback."""
    raise value if value.__traceback__ is tb else value.with_traceback(tb)


__all__ = [
    "AlreadyRegistered",
    "AlwaysEagerIgnored",
    "BackendError",
    "BackendGetMetaError",
    "BackendStoreError",
    "CDeprecationWarning",
    "CPendingDeprecationWarning",
    "CeleryError",
    "CeleryWarning",
    "ChordError",
    "ContentDisallowed",
    "DecodeError",
    "DuplicateNodenameWarning",
    "DuplicateTaskNameWarning",
    "EncodeError",
    "FixupWarning",
    "Ignore",
    "ImproperlyConfigured",
    "IncompleteStream",
    "InvalidTaskError",
    "MaxRetriesExceededError",
    "NotConfigured",
    "NotRegistered",
    "OperationalError",
    "ParseException",
    "PayloadTooLarge",
    "QueueNotFound",
    "Reject",
    "Retry",
    "SecurityError",
    "SecurityWarning",
    "SerializationError",
    "SoftTimeLimitExceeded",
    "TaskError",
    "TaskPredicate",
    "TaskRevokedError",
    "Terminated",
    "TimeLimitExceeded",
    "TimeoutError",
    "Undecodable",
    "WorkerLostError",
    "WorkerShutdown",
    "WorkerTerminate",
    "reraise",
]

__getattr__ = offered.names_not_in(__name__)
