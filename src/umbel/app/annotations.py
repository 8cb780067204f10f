"""The ``task_annotations`` setting: attributes that configuration sets on tasks. Changes tasks; holds nothing."""

from collections.abc import Mapping
from inspect import isfunction
from typing import TYPE_CHECKING, Any

from umbel.app import source

if TYPE_CHECKING:
    from umbel.app.task import Task


def apply(setting: Any, task: "Task[..., Any]") -> None:
    """Set what ``setting`` says about ``task``: for ``"*"`` first, then for its name.

    ``setting`` is a dict of task name to attributes, an object with ``annotate(task)`` (and ``annotate_any()``), a
    dotted name of one, or a list of these. An attribute ``"@method"`` wraps the method; a function
    becomes a method of the task's class: ``{"*": {"on_failure": function}}``.
    """
    for annotation in _listed(setting):
        for found in _found(annotation, task):
            for name, value in (found or {}).items():
                if name.startswith("@"):
                    setattr(task, name[1:], value(getattr(task, name[1:])))
                elif isfunction(value):  # a method: a hook that gets the task first, as its own class would have it
                    setattr(type(task), name, value)
                    task._traits = None  # noqa: SLF001  which hooks there are is looked up anew
                else:
                    setattr(task, name, value)


def _listed(setting: Any) -> list[Any]:
    if not setting:
        return []
    items = setting if isinstance(setting, list | tuple) else [setting]
    loaded = [source.load(item) if isinstance(item, str) else item for item in items]
    return [item() if isinstance(item, type) else item for item in loaded]


def _found(annotation: Any, task: "Task[..., Any]") -> list[Mapping[str, Any] | None]:
    if isinstance(annotation, Mapping):
        return [annotation.get("*"), annotation.get(task.name)]
    any_task = getattr(annotation, "annotate_any", None)
    return [any_task() if any_task is not None else None, annotation.annotate(task)]
