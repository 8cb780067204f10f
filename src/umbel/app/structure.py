"""What is kept of a workflow when it is called: its structure, beside its results. Stores nothing itself."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from umbel.app import request
from umbel.app.identity import family_of
from umbel.core.record import Record
from umbel.core.unfolding import Result
from umbel.core.workflow import Workflow, tasks_of
from umbel.result.base import CanList
from umbel.wire import workflows as wire

if TYPE_CHECKING:
    from umbel.app.application import Umbel


class Structure(NamedTuple):
    """The records to store, and the key under which the workflow is listed."""

    key: str
    records: list[Record]


def is_kept(app: "Umbel") -> bool:
    """Whether the app's workflows are kept."""
    return app.conf.result_keep_workflows and isinstance(app.store, CanList)


def structure(
    app: "Umbel",
    frozen: Mapping[str, Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: Mapping[str, Any],
    result: Result,
    made: Sequence[str],
) -> Structure:
    """The structure of a call whose result tuple is ``result``. ``frozen`` is the signature with all ids."""
    context = request.current.get()
    called = (None, None) if context is None or context.called_directly else (context.id, context.root_id or context.id)
    given = dict(frozen), list(args), dict(kwargs), dict(options), result
    whole = Workflow(app.clock.now(), *given, *called, made=list(made))
    key, ids = family_of(whole.id), [str(task["options"].get("task_id")) for task in tasks_of(frozen)]
    return Structure(key, wire.records_of(key, whole, len(ids), {family_of(id) for id in ids if id[:23] != key}))


def note(app: "Umbel", kept: Structure | None) -> None:
    """Store it."""
    if kept is not None and isinstance(app.store, CanList):
        app.store.catalogue.note_sync(*kept)


async def anote(app: "Umbel", kept: Structure | None) -> None:
    """``note``, for coroutines."""
    if kept is not None and isinstance(app.store, CanList):
        await app.store.catalogue.note(*kept)
