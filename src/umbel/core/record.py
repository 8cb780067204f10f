"""The result record: what is stored about a task, field for field what Celery stores (its ``celery-task-meta``)."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class Record(msgspec.Struct):
    """State and result of one task, in Celery's order of keys. Fields that are ``UNSET`` are left out when encoded.

    ``result`` is the value, or for FAILURE, RETRY and REVOKED Celery's ``{"exc_type", "exc_message", "exc_module"}``;
    it may be a ``msgspec.Raw`` that is encoded already. ``children`` are result tuples. ``date_done`` is ISO 8601.
    Celery writes nulls where it knows nothing of a call.
    """

    status: str
    result: Any = None
    traceback: str | None = None
    children: list[Any] | None = None
    date_done: str | None = None
    task_id: str = ""
    group_id: str | UnsetType | None = UNSET
    parent_id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    args: Any = UNSET
    kwargs: Any = UNSET
    worker: str | UnsetType | None = UNSET
    retries: int | UnsetType | None = UNSET
    queue: str | UnsetType | None = UNSET
