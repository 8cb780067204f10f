"""What an attempt at a task leaves for the next one: its checkpoint, and marks of what was done once.

They are records in the result store beside the task's own, under its id with a suffix, and expire like results. In a
worker they are written under the attempt's claim: one whose message was taken over writes nothing any more.
"""

from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from umbel.app.request import Context
from umbel.core.errors import ImproperlyConfigured
from umbel.core.record import Record
from umbel.wire import json

if TYPE_CHECKING:
    from umbel.app.application import Umbel

CHECKPOINT, ONCE = "CHECKPOINT", "ONCE"


def save(app: "Umbel", context: Context, state: Any) -> None:
    """Keep ``state`` for the next attempt. A call that is no message has none: it is kept for its own view only."""
    record = _record(context, CHECKPOINT, state)
    _write(app, context, record)
    context.seen_checkpoint = state


async def asave(app: "Umbel", context: Context, state: Any) -> None:
    """``save``, for coroutines."""
    record = _record(context, CHECKPOINT, state)
    await _awrite(app, context, record)
    context.seen_checkpoint = state


def load(app: "Umbel", context: Context) -> Any:
    """What the attempt before kept, or None. One read."""
    if _has_no_successor(context):
        return None
    record = _read(app, _key(context, CHECKPOINT))
    return None if record is None else record.result


class Once:
    """``with self.once(key) as first:`` and its twin ``async with``. Marks the effect as done when its block ends well.

    The mark follows the effect: an attempt that dies between the two does it again.
    """

    def __init__(self, app: "Umbel", context: Context, key: str) -> None:
        self._app = app
        self._context = context
        self._id = _key(context, ONCE, key)
        self._record = _record(context, ONCE, True, key)
        self._first = True

    def __enter__(self) -> bool:
        """Whether no attempt has done it."""
        if not _has_no_successor(self._context):
            self._first = _read(self._app, self._id) is None
        return self._first

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._first and error is None:
            _write(self._app, self._context, self._record)

    async def __aenter__(self) -> bool:
        """Whether no attempt has done it."""
        if not _has_no_successor(self._context):
            self._first = self._id not in await _store(self._app).read([self._id])
        return self._first

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._first and error is None:
            await _awrite(self._app, self._context, self._record)


def _has_no_successor(context: Context) -> bool:
    return context.message is None or context.is_eager


def _key(context: Context, kind: str, name: str = "") -> str:
    return f"{context.id}:{kind.lower()}:{name}"


def _record(context: Context, kind: str, value: Any, name: str = "") -> Record:
    return Record(kind, msgspec.Raw(json.dumps(value)), None, [], None, _key(context, kind, name))


def _store(app: "Umbel") -> Any:
    if app.store is None:
        raise ImproperlyConfigured("checkpoint() and once() keep what they are given with results: set result_backend")
    return app.store


def _read(app: "Umbel", id: str) -> Record | None:
    found: dict[str, Record] = _store(app).sync.read([id])
    return found.get(id)


def _write(app: "Umbel", context: Context, record: Record) -> None:
    if _has_no_successor(context):
        return
    store = _store(app)
    if app.outlet is not None and context.message is not None:
        app.outlet.keep(context.message, record)
    else:
        store.sync.write([record])


async def _awrite(app: "Umbel", context: Context, record: Record) -> None:
    if _has_no_successor(context):
        return
    store = _store(app)
    if app.outlet is not None and context.message is not None:
        await app.outlet.akeep(context.message, record)
    else:
        await store.write([record])
