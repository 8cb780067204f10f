"""The tasks that every app has, under Celery's names: canvas runs through them. Made when an app is completed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from umbel.app import canvas, coroutine
from umbel.app.decorate import task_of
from umbel.app.execution import date_done
from umbel.app.following import Error, Follower
from umbel.app.signature import maybe_signature
from umbel.core import states
from umbel.core.errors import BackendGetMetaError, ChordError
from umbel.core.signature import REST, chain_of, expanded, plain, prepended
from umbel.wire import exceptions

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.app.task import Task


def register(app: "Umbel") -> None:
    """Give ``app`` the built-in tasks that it does not have yet."""
    for name, function, options in (
        ("accumulate", accumulate, {}),
        ("backend_cleanup", backend_cleanup, {"bind": True}),
        ("chain", chain, {}),
        ("chord", chord, {"bind": True}),
        ("chord_unlock", chord_unlock, {"bind": True, "ignore_result": True, "max_retries": None}),
        ("chunks", chunks, {"bind": True}),
        ("group", group, {"bind": True}),
        ("map", xmap, {"bind": True}),
        ("starmap", xstarmap, {"bind": True}),
    ):
        if f"celery.{name}" not in app.all_tasks:
            task_of(app, function, name=f"celery.{name}", **options)
    if REST not in app.all_tasks:
        task_of(app, rest, name=REST, bind=True)


def accumulate(*args: Any, **kwargs: Any) -> Any:
    """What it is called with, as a list; with ``index``, that one."""
    index = kwargs.get("index")
    return args if index is None else args[index]


def backend_cleanup(self: "Task[..., Any]") -> int:
    """Delete expired results, and say how many."""
    store, deleted = self.app.store, 0
    if store is None:
        return 0
    while found := coroutine.run(store.prune()):
        deleted += found
    return deleted


def xmap(self: "Task[..., Any]", task: Mapping[str, Any], it: Sequence[Any]) -> list[Any]:
    """Run the task once for each item."""
    call = maybe_signature(task, self.app).type
    return [coroutine.finished(call(item)) for item in it]


def xstarmap(self: "Task[..., Any]", task: Mapping[str, Any], it: Sequence[Any]) -> list[Any]:
    """Run the task once for each list of arguments."""
    call = maybe_signature(task, self.app).type
    return [coroutine.finished(call(*item)) for item in it]


def rest(self: "Task[..., Any]", *args: Any, id: str = "") -> Any:
    """Go on with the rest of a chain that is kept as ``id``: where nobody has done so before it was called."""
    store = self.app.store
    record = None if store is None else store.sync.read([id], sure=True).get(id)
    if record is None:
        raise BackendGetMetaError(f"the rest of a chain was kept with the results as {id!r}, and is not there any more")
    first, *others = reversed(record.result)
    return self.replace(maybe_signature(chain_of([prepended(first, args), *others]), self.app))


def chunks(self: "Task[..., Any]", task: Mapping[str, Any], it: Sequence[Any], n: int) -> Any:
    """Call the chunks as a group, and return its result as a tuple."""
    parts = maybe_signature(dict(expanded(canvas.chunks(task, it, n, app=self.app))), self.app)
    return parts.apply_async().as_tuple()


def group(
    self: "Task[..., Any]",
    tasks: Sequence[Mapping[str, Any]],
    result: Any,
    group_id: str,
    partial_args: Sequence[Any] = (),
    add_to_parent: bool = True,
) -> Any:
    """Call the members. Old publishers sent groups as messages."""
    for task in tasks:
        maybe_signature(task, self.app).apply_async(partial_args, group_id=group_id, add_to_parent=False)
    if add_to_parent:
        self.app.remember(self.app.result_from_tuple(result))
    return result


def chord(
    self: "Task[..., Any]",
    header: Any,
    body: Mapping[str, Any],
    partial_args: Sequence[Any] = (),
    interval: float | None = None,
    countdown: float = 1,
    max_retries: int | None = None,
    eager: bool = False,
    **kwargs: Any,
) -> Any:
    """Call the chord, and return its result as a tuple. Old publishers sent chords as messages."""
    whole = canvas.chord(maybe_signature(header, self.app), maybe_signature(body, self.app), app=self.app)
    return whole.apply_async(partial_args, kwargs).as_tuple()


def chain(*args: Any, **kwargs: Any) -> Any:
    """A chain is no task."""
    raise NotImplementedError("chain is not a real task")


def chord_unlock(
    self: "Task[..., Any]",
    group_id: str,
    callback: Mapping[str, Any],
    interval: float | None = None,
    max_retries: int | None = None,
    result: Sequence[Any] = (),
    **kwargs: Any,
) -> None:
    """Look whether all members of a header have ended, and call the body then. For stores that cannot join."""
    members = self.app.GroupResult(group_id, [self.app.result_from_tuple(one) for one in result])
    body = maybe_signature(callback, self.app)
    if not members.ready():
        pause = self.app.conf.result_chord_retry_interval if interval is None else interval
        raise self.retry(countdown=pause, max_retries=max_retries)
    guilty = next((one for one in members.leaves() if one.seen_state in states.PROPAGATE_STATES), None)
    if guilty is None:
        body.delay(members.values())
        return
    error = ChordError(f"Dependency {guilty.id} raised {guilty.seen_value!r}")
    described = Error(states.FAILURE, error, exceptions.describe(error), None, date_done(self.app.clock))
    after = Follower(self.app).never_called(plain(body), described)
    members.backend.sync.write(after.records)
    self.request.publish.extend(after.publish)
