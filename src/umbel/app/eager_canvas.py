"""Canvas without messages: runs chains, groups and chords here and now, by the rules of nesting that workers follow."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from umbel.app.eager import EagerResult
from umbel.app.errbacks import Errbacks, stand_in
from umbel.app.groups import GroupResult
from umbel.app.identity import uuid
from umbel.app.request import Context
from umbel.core import states
from umbel.core.errors import ChordError
from umbel.core.following import reporters
from umbel.core.message import Embed
from umbel.core.nesting import steps_of
from umbel.core.signature import (
    Signature,
    body,
    error_linked,
    expanded,
    flattened,
    group_of,
    header,
    kind,
    linked,
    listed,
    merged,
    prepended,
)

if TYPE_CHECKING:
    from umbel.app.application import Umbel

_OF_EVERY_STEP = ("throw",)


def run(app: "Umbel", signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], options: Any) -> Any:
    """Run it, and return the handle on its result: None for an empty chain."""
    signature = expanded(signature)
    options = merged(signature.get("options") or {}, options)
    if kind(signature) is not None and not signature.get("immutable"):
        args = (*args, *(signature.get("args") or ()))
    match kind(signature):
        case "chain":
            return _chain(app, signature, args, kwargs, options)
        case "group":
            return _group(app, signature, args, kwargs, options)
        case "chord":
            return _chord(app, signature, args, kwargs, options)
    whole = prepended(signature, args, kwargs)
    return app.tasks[whole["task"]].apply(tuple(whole.get("args") or ()), dict(whole.get("kwargs") or {}), **options)


async def on_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run it on a thread of its own, so that the event loop goes on."""
    return await asyncio.to_thread(function, *args, **kwargs)


def _chain(
    app: "Umbel", signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], options: dict[str, Any]
) -> Any:
    links, errbacks = listed(options.pop("link", None)), listed(options.pop("link_error", None))
    task_id = options.pop("task_id", None)
    steps = [error_linked(step, errbacks) for step in steps_of(signature)]
    if not steps:
        return None
    steps[-1] = linked(steps[-1], links)
    common = {name: options[name] for name in _OF_EVERY_STEP if name in options}
    last: Any = None
    for number, step in enumerate(steps):
        own = dict(options) if number == 0 else dict(common)
        if number == len(steps) - 1 and task_id:
            own["task_id"] = task_id
        result = run(app, step, args, kwargs, own)
        _root(result).parent = last
        if (error := _error(result)) is not None:
            return result if number == len(steps) - 1 else _failed(app, task_id, error, result)
        last, args, kwargs = result, (_value(result),), {}
    return last


def _group(
    app: "Umbel", signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], options: dict[str, Any]
) -> "GroupResult":
    id = options.pop("task_id", None) or uuid(app.clock.now())
    results = [run(app, member, args, kwargs, {**options, "group_id": id}) for member in flattened(signature)]
    return GroupResult(id, results, app=app)


def _chord(
    app: "Umbel", signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], options: dict[str, Any]
) -> Any:
    below = error_linked(
        linked(body(signature), listed(options.pop("link", None))), listed(options.pop("link_error", None))
    )
    task_id = options.pop("task_id", None)
    inside = {**((signature.get("kwargs") or {}).get("kwargs") or {}), **kwargs}
    above = _group(app, group_of(flattened(header(signature))), args, inside, dict(options))
    for leaf in above.leaves():
        if leaf.seen_state in states.PROPAGATE_STATES:
            error = ChordError(f"Dependency {leaf.id} raised {leaf.seen_value!r}")
            result = _failed(app, task_id or (below.get("options") or {}).get("task_id"), error, above)
            for _, errbacks in reporters(below):
                _tell(app, stand_in(below, result.id, errbacks), errbacks, error)
            return result
    result = run(app, below, (above.values(),), {}, {**options, **({"task_id": task_id} if task_id else {})})
    _root(result).parent = above
    return result


def followed(app: "Umbel", result: "EagerResult[Any]", embed: Embed | None) -> "EagerResult[Any]":
    """``result``, after what follows it has run: callbacks and the rest of a chain, or errbacks."""
    if embed is None:
        return result
    if result.state == states.SUCCESS:
        for callback in embed.callbacks or ():
            run(app, callback, (_value(result),), {}, {})
        if embed.chain:
            run(app, embed.chain[-1], (_value(result),), {}, {"chain": embed.chain[:-1]})
    elif result.state == states.FAILURE and result.request is not None:
        _tell(app, result.request, embed.errbacks or (), result.seen_value, result.traceback)
    return result


def _tell(
    app: "Umbel",
    request: Context,
    errbacks: Sequence[Signature],
    error: BaseException,
    traceback: str | None = None,
) -> None:
    """Call errbacks as a worker does: with the failed task's id, or with ``(request, exc, traceback)``."""
    for errback in Errbacks(app).call(request, errbacks, error, traceback):
        run(app, errback, (request.id,), {}, {})


def _root(result: Any) -> Any:
    while result.parent is not None:
        result = result.parent
    return result


def _error(result: Any) -> BaseException | None:
    """What it raised, if it did."""
    return next((leaf.seen_value for leaf in result.leaves() if leaf.seen_state in states.PROPAGATE_STATES), None)


def _value(result: Any) -> Any:
    return result.values() if isinstance(result, GroupResult) else result.seen_value


def _failed(app: "Umbel", task_id: str | None, error: BaseException, parent: Any) -> "EagerResult[Any]":
    """The result of a task that never ran, because one before it failed."""
    result: EagerResult[Any] = EagerResult(task_id or uuid(app.clock.now()), error, states.FAILURE, app=app)
    result.parent = parent
    return result
