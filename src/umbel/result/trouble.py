"""What goes wrong at a store, in the terms of its port: driver errors become errors of storing and of reading."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from umbel.core.errors import BackendGetMetaError, BackendStoreError, OperationalError
from umbel.core.record import Record


@contextmanager
def storing(records: Sequence[Record]) -> Iterator[None]:
    """Inside, records are written. Raises ``BackendStoreError``."""
    try:
        yield
    except OperationalError as exc:
        one = records[0] if len(records) == 1 else Record("")
        raise BackendStoreError(str(exc), state=one.status, task_id=one.task_id) from exc


@contextmanager
def reading(ids: Sequence[str]) -> Iterator[None]:
    """Inside, records are read. Raises ``BackendGetMetaError``."""
    try:
        yield
    except OperationalError as exc:
        raise BackendGetMetaError(str(exc), task_id=ids[0] if len(ids) == 1 else "") from exc
