"""From a canvas to published messages: unfolds, opens the joins, publishes all in one step. The rules are in core."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from umbel.app import bulk
from umbel.app.identity import family
from umbel.app.plan import without_ways
from umbel.app.structure import Structure, anote, is_kept, note, structure
from umbel.core import signature as data
from umbel.core.delivery import Outgoing
from umbel.core.errors import EncodeError
from umbel.core.message import Embed
from umbel.core.nesting import linked_in, waits
from umbel.core.resting import Keep
from umbel.core.unfolding import Calling, Unfolded, freeze, unfold
from umbel.result.base import CanJoin
from umbel.wire import json

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.app.task import Task
    from umbel.result.base import Joins

NO_STORE = (
    "a chord needs a result store, because its body gets the results of its header: "
    "pass backend= to Umbel(...), or set result_backend"
)
_EAGER_ALREADY = ("add_to_parent", "producer", "publisher", "connection", "retry", "retry_policy")


def ids(app: "Umbel") -> Callable[[], str]:
    """Makes new task ids, of one family: from each of them, the workflow is found."""
    return family(app.clock.now())


def send(
    app: "Umbel", signature: Mapping[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any], options: dict[str, Any]
) -> Any:
    """Call a canvas, and return the handle on its result: None for an empty chain.

    Raises ``NotImplementedError`` for a chord where no results are stored, and what ``Task.apply_async`` raises.
    """
    add_to_parent = options.pop("add_to_parent", True)
    unfolded, messages, kept = _built(app, signature, args, kwargs, options)
    note(app, kept)
    put_first(app, unfolded)
    if messages and not bulk.collect(app, messages):
        app.client.publish(messages, options)
    return _handle(app, unfolded, add_to_parent)


async def asend(
    app: "Umbel", signature: Mapping[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any], options: dict[str, Any]
) -> Any:
    """``send``, for coroutines."""
    add_to_parent = options.pop("add_to_parent", True)
    unfolded, messages, kept = _built(app, signature, args, kwargs, options)
    await anote(app, kept)
    if unfolded.rests and app.store is not None:
        await app.store.write(unfolded.rests)
    if unfolded.openings:
        await joins(app).take(unfolded.openings)
    if messages and not bulk.collect(app, messages):
        await app.client.apublish(messages, options)
    return _handle(app, unfolded, add_to_parent)


def _built(
    app: "Umbel", signature: Mapping[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any], options: dict[str, Any]
) -> tuple[Unfolded, list[Outgoing], Structure | None]:
    whole, kept, new_id = data.plain(signature), None, ids(app)
    plain, keeps = _plain_options(without_ways("a workflow", options, app.conf)), is_kept(app)
    if any(map(waits, (whole, *linked_in(plain)))):
        joins(app)
    made: list[str] = []
    if keeps:
        whole, _ = freeze(whole, new_id=new_id, task_id=plain.get("task_id"))
        new_id = _noting(new_id, made)
    unfolded = unfold(whole, args, kwargs, plain, new_id=new_id, keep=keep(app))
    messages = [message for call in unfolded.calls for message in prepare(app, call)]
    if keeps and unfolded.result is not None:
        kept = structure(app, whole, args, kwargs, for_eager(plain), unfolded.result, made)
    return unfolded, messages, kept


def _noting(new_id: Callable[[], str], made: list[str]) -> Callable[[], str]:
    """``new_id``, with a list of what it made."""

    def new() -> str:
        made.append(new_id())
        return made[-1]

    return new


def keep(app: "Umbel") -> Keep | None:
    """What of a workflow is kept beside the results instead of carried by its messages; None: nothing."""
    above, store = app.conf.task_max_rest, app.store
    if above is None or store is None or not isinstance(store, CanJoin) or app.conf.task_serializer != "json":
        return None
    return Keep(above, _encoded)


def _encoded(value: Any) -> bytes:
    try:
        return json.dumps(value)
    except EncodeError:
        return b""  # it stays in the message, whose making says where it cannot be encoded


def prepare(app: "Umbel", call: Calling) -> list[Outgoing]:
    """The messages of one call, made by the task's own ``apply_async`` or the app's own ``send_task``, if any."""
    task = app.tasks.get(call.task, call.task)
    if isinstance(task, str) or not _is_overridden(task, app) or app.conf.task_always_eager:
        return app.client.prepare(task, call.args, call.kwargs, call.options, call.embed)
    embed = {} if call.embed is None else _followers(call.embed)
    with bulk.Bulk(app) as block:
        task.apply_async(call.args, call.kwargs, **{**call.options, **embed, "add_to_parent": False})
        messages, block.messages = block.messages, []
    return messages


def _is_overridden(task: "Task[..., Any]", app: "Umbel") -> bool:
    """Whether the class of the task, or of the app, has its own way of making calls."""
    own_task = type(task).apply_async.__module__ != "umbel.app.task"
    return own_task or type(app).send_task.__module__ != "umbel.app.application"


def _followers(embed: Embed) -> dict[str, Any]:
    """What follows a call, as the options of the call."""
    return {"link": embed.callbacks, "link_error": embed.errbacks, "chain": embed.chain, "chord": embed.chord}


def put_first(app: "Umbel", unfolded: Unfolded) -> None:
    """Put what must be there before the calls are sent: open joins, and what is kept beside the results."""
    if unfolded.rests and app.store is not None:
        app.store.sync.write(unfolded.rests)
    if unfolded.openings:
        joins(app).take_sync(unfolded.openings)


def joins(app: "Umbel") -> "Joins":
    """The joins of the app. Raises ``NotImplementedError`` where it has none."""
    found = app.connections.joins
    if found is None:
        store = app.store
        raise NotImplementedError(
            NO_STORE if store is None else f"{type(store).__name__} cannot join: chords need another result_backend"
        )
    return found


def _handle(app: "Umbel", unfolded: Unfolded, add_to_parent: bool) -> Any:
    """The handle on what was sent; the running task remembers it as its child."""
    if unfolded.result is None:
        return None
    result = app.result_from_tuple(unfolded.result)
    if add_to_parent:
        app.remember(result)
    return result


def _plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    plain = dict(options)
    data.check_followers(plain)
    embed = data.embedded(plain)
    if embed is not None:
        plain.update(_followers(embed))
    return plain


def for_eager(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a call that mean something where it runs at once."""
    return {name: value for name, value in options.items() if name not in _EAGER_ALREADY}
