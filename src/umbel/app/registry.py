"""The tasks of one app by name: a dict that says what is missing. It holds tasks and makes none."""

from typing import TYPE_CHECKING, Any

from umbel.core.errors import NotRegistered

if TYPE_CHECKING:
    from collections.abc import Callable

    from umbel.app.task import Task


class Registry(dict[str, "Task[..., Any]"]):
    """Task name to task."""

    def __missing__(self, name: str) -> "Task[..., Any]":
        raise NotRegistered(name)

    take: "Callable[[Any], Any] | None" = None
    """How a task made by class is registered: ``app.register_task``."""

    def register(self, task: Any) -> Any:
        """Take in a task made by class, as ``app.register_task`` does."""
        if self.take is None:
            raise RuntimeError("this registry belongs to no app: call app.register_task()")
        return self.take(task)

    def unregister(self, name: "str | Task[..., Any]") -> None:
        """Forget a task, by name or object. Raises ``NotRegistered``."""
        key = name if isinstance(name, str) else name.name
        self[key]
        del self[key]

    def regular(self) -> dict[str, "Task[..., Any]"]:
        """The tasks that users wrote: all but those under ``celery.`` and ``umbel.``."""
        return {name: task for name, task in self.items() if not name.startswith(("celery.", "umbel."))}
