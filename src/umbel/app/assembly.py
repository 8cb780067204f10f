"""The tasks of one app, put together: registered, completed by what is shared and annotated, imported when asked.

Safe from many threads. It makes no task and runs none.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from umbel.app import ambient, annotations, autodiscover, builtins, retrying, signals
from umbel.app.decorate import warn_of_duplicate
from umbel.app.registry import Registry
from umbel.core.errors import ImproperlyConfigured
from umbel.runtime.unpatched import RLock

if TYPE_CHECKING:
    from umbel.app.application import Umbel

Packages = Iterable[str] | Callable[[], Iterable[str]]


class Assembly:
    """Grows while modules are imported; is complete (``finalized``) from the first look at the tasks on."""

    def __init__(self, app: "Umbel", *, autofinalize: bool) -> None:
        self.tasks = Registry()
        self.tasks.take = app.register_task
        self.finalized = False
        self._app = app
        self._autofinalize = autofinalize
        self._lock = RLock()
        self._finalizing = False
        self._related: list[tuple[Packages, str | None]] = []
        self._loaded = False

    def register(self, task: Any, *, replace: bool) -> Any:
        """Take a task in, and return the one that holds its name now."""
        with self._lock:
            known = self.tasks.get(task.name)
            if known is not None and not replace:
                warn_of_duplicate(known, task)
                return known
            self.tasks[task.name] = task
            task.bind(self._app)
            retrying.wrap(task)
            if self.finalized:
                annotations.apply(self._app.conf.task_annotations, task)
        return task

    def finalize(self, *, auto: bool) -> None:
        """Have shared tasks join, and set annotations: once. ``auto``: because somebody looked, not because asked."""
        if self.finalized:
            return
        with self._lock:
            if self.finalized or self._finalizing:
                return
            if auto and not self._autofinalize:
                raise RuntimeError(f"{self._app!r} is not finalized, and autofinalize is off: call app.finalize()")
            self._finalizing = True
            try:
                builtins.register(self._app)
                for make in ambient.shared():
                    make(self._app)
                for task in list(self.tasks.values()):
                    annotations.apply(self._app.conf.task_annotations, task)
                self.finalized = True
            finally:
                self._finalizing = False
            self._app.on_after_finalize.send(sender=self._app)

    def discover(self, packages: Packages | None, related: str | None, *, now: bool) -> None:
        """Import ``related`` of each package, now or at ``load``."""
        if packages is None:
            raise ImproperlyConfigured("autodiscover_tasks() needs the packages to look into: ['proj']")
        if now:
            autodiscover.import_related(autodiscover.names(packages), related)
        else:
            self._related.append((packages, related))

    def load(self) -> None:
        """Import everything that has tasks, once."""
        with self._lock:
            if self._loaded:
                return
            self._loaded = True  # before importing: a module may load the app itself
            try:
                signals.import_modules.send(sender=self._app)
                autodiscover.import_related([*self._app.conf.imports, *self._app.conf.include], None)
                for packages, related in self._related:
                    autodiscover.import_related(autodiscover.names(packages), related)
            except BaseException:
                self._loaded = False
                raise
        self.finalize(auto=False)
