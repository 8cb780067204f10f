"""States that a task sets itself (``update_state``): made a record, and sent the way that records go."""

from typing import TYPE_CHECKING, Any

import msgspec

from umbel.core import states
from umbel.core.record import Record
from umbel.wire import exceptions, json

if TYPE_CHECKING:
    from umbel.app.application import Umbel


def write(app: "Umbel", task_id: str | None, state: str | None, meta: Any) -> None:
    """Store a state; through the worker's I/O thread where there is one, ordered before the task's end."""
    record = _record(app, task_id, state, meta)
    if app.outlet is not None:
        app.outlet.write([record])
    elif app.store is not None:
        app.store.sync.write([record])


async def awrite(app: "Umbel", task_id: str | None, state: str | None, meta: Any) -> None:
    """``write``, for coroutines."""
    record = _record(app, task_id, state, meta)
    if app.outlet is not None:
        await app.outlet.awrite([record])
    elif app.store is not None:
        await app.store.write([record])


def _record(app: "Umbel", task_id: str | None, state: str | None, meta: Any) -> Record:
    if task_id is None:
        raise ValueError("update_state() outside of a running task needs task_id=")
    state = state or states.PENDING
    value = exceptions.describe(meta) if isinstance(meta, BaseException) else meta
    done = app.now().isoformat() if state in states.READY_STATES else None
    return Record(state, msgspec.Raw(json.dumps(value)), None, [], done, task_id)
