"""The tasks of one app by name: a dict that says what is missing. It holds tasks and makes none."""

from typing import TYPE_CHECKING, Any

from umbel.core.errors import NotRegistered

if TYPE_CHECKING:
    from umbel.app.task import Task


class Registry(dict[str, "Task[..., Any]"]):
    """Task name to task."""

    def __missing__(self, name: str) -> "Task[..., Any]":
        raise NotRegistered(name)

    def unregister(self, name: "str | Task[..., Any]") -> None:
        """Forget a task, by name or object. Raises ``NotRegistered``."""
        key = name if isinstance(name, str) else name.name
        self[key]
        del self[key]

    def regular(self) -> dict[str, "Task[..., Any]"]:
        """The tasks that users wrote: all but those under ``celery.`` and ``umbel.``."""
        return {name: task for name, task in self.items() if not name.startswith(("celery.", "umbel."))}
