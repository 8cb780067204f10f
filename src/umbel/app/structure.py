"""What is kept of a workflow when it is called: its structure, beside its results. Stores nothing itself."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from umbel.app import request
from umbel.app.identity import family_of
from umbel.core.errors import BackendStoreError
from umbel.core.record import Record
from umbel.core.unfolding import Result, cut
from umbel.core.workflow import Workflow, tasks_of
from umbel.result.base import CanList
from umbel.wire import workflows as wire

if TYPE_CHECKING:
    from umbel.app.application import Umbel

logger = logging.getLogger("umbel")
AGAIN_AFTER = 30.0
"""Seconds after which a store that could not be reached is tried again."""


class Structure(NamedTuple):
    """The records to store, and the key under which the workflow is listed."""

    key: str
    records: list[Record]


def is_kept(app: "Umbel") -> bool:
    """Whether the app's workflows are kept."""
    if not app.conf.result_keep_workflows or not isinstance(app.store, CanList):
        return False
    return app.workflows.not_before is None or app.clock.monotonic() >= app.workflows.not_before


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
    given = dict(frozen), list(args), dict(kwargs), dict(options), cut(result, 0)
    whole = Workflow(app.clock.now(), *given, *called, made=list(made))
    key, ids = family_of(whole.id), [str(task["options"].get("task_id")) for task in tasks_of(frozen)]
    return Structure(key, wire.records_of(key, whole, len(ids), {family_of(id) for id in ids if id[:23] != key}))


def note(app: "Umbel", kept: Structure | None) -> None:
    """Store it. A store that cannot be reached keeps no call from being made: for a while, it is not tried again."""
    if kept is None or not isinstance(app.store, CanList):
        return
    try:
        app.store.catalogue.note_sync(*kept)
    except BackendStoreError as error:
        _not_kept(app, error)


async def anote(app: "Umbel", kept: Structure | None) -> None:
    """``note``, for coroutines."""
    if kept is None or not isinstance(app.store, CanList):
        return
    try:
        await app.store.catalogue.note(*kept)
    except BackendStoreError as error:
        _not_kept(app, error)


def _not_kept(app: "Umbel", error: BackendStoreError) -> None:
    logger.warning("app.workflows will not know this workflow, nor those of the next %g s: %s", AGAIN_AFTER, error)
    app.workflows.not_before = app.clock.monotonic() + AGAIN_AFTER
