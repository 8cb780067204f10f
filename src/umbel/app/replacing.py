"""What a running task does to its own workflow: ``replace`` and ``add_to_chord``. What is sent leaves with its end."""

from typing import TYPE_CHECKING, Any, NoReturn, cast

from umbel.app import calling
from umbel.app.canvas import chain, chord, group
from umbel.core import signature as data
from umbel.core.errors import Ignore, ImproperlyConfigured
from umbel.core.joining import Extension
from umbel.core.message import Embed
from umbel.core.nesting import size_of, waits
from umbel.core.unfolding import unfold

if TYPE_CHECKING:
    from umbel.app.request import Context
    from umbel.app.signature import Signature
    from umbel.app.task import Task


def replace(task: "Task[..., Any]", sig: "Signature[Any]") -> Any:
    """See ``Task.replace``."""
    context = task.request
    if context.called_directly:
        raise ImproperlyConfigured(f"{task.name}: replace() is for a task that runs as one, not for a plain call of it")
    sig = _complete(task, sig, context)
    task.on_replace(sig)
    if not context.is_eager:
        _leave_together(task, sig, context)
    return sig.apply().get(disable_sync_subtasks=False)


def _complete(task: "Task[..., Any]", sig: "Signature[Any]", context: "Context") -> "Signature[Any]":
    """``sig`` with the id, the place and the followers of the running call."""
    if isinstance(sig, group) and not sig.tasks:
        sig = task.app.signature("celery.accumulate", immutable=True)
    elif isinstance(sig, group):
        sig = chord(sig, task.app.signature("celery.accumulate", kwargs={"index": 0}))
    elif isinstance(sig, chain) and not sig.tasks:
        raise ImproperlyConfigured(f"{task.name}: an empty chain cannot replace a task")
    else:
        sig = sig.clone()
    stamps = context.stamps or {}
    if context.stamped_headers and stamps:
        sig.stamp(None, False, **{name: stamps[name] for name in context.stamped_headers if name in stamps})
    for callback in context.callbacks or ():
        sig.link(task.app.signature(callback))
    for errback in context.errbacks or ():
        sig.link_error(task.app.signature(errback))
    return sig


def _leave_together(task: "Task[..., Any]", sig: "Signature[Any]", context: "Context") -> NoReturn:
    """Have it sent with the end of the running task, which stores nothing."""
    options: dict[str, Any] = {
        "task_id": context.id,
        "group_id": context.group,
        "group_index": context.group_index,
        "chord": context.chord,
        "chain": list(context.chain or ()),
        "root_id": context.root_id,
        "parent_id": context.parent_id,
        "replaced_task_nesting": (context.replaced_task_nesting or 0) + 1,
    }
    whole = data.plain(sig)
    if waits(whole):
        calling.joins(task.app)
    unfolded = unfold(whole, options=options, new_id=calling.ids(task.app), keep=calling.keep(task.app))
    messages = [message for call in unfolded.calls for message in calling.prepare(task.app, call)]
    calling.put_first(task.app, unfolded)
    context.publish += messages
    context.__dict__["embed"] = Embed()  # it is the replacement's now
    raise Ignore("Replaced by new task")


def add_to_chord(task: "Task[..., Any]", sig: "Signature[Any]", *, lazy: bool) -> Any:
    """See ``Task.add_to_chord``."""
    context = task.request
    if not context.chord or context.group is None:
        raise ValueError("Current task is not member of any chord")
    sig = sig.clone()
    result = sig.freeze(None, context.group, context.chord, context.root_id, group_index=context.group_index)
    calling.joins(task.app).take_sync([Extension(context.group, size_of(sig))])
    if lazy:
        return sig
    sig.delay()
    return cast("Any", result)
