"""Celery's ``loaders.base``: importing and autodiscovery, over the app that does it."""

from collections.abc import Iterable
from datetime import datetime
from importlib import import_module
from typing import Any

from umbel.app import autodiscover
from umbel.celery import offered
from umbel.celery.utils import imports


class BaseLoader:
    """What imports modules for an app. Hooks of a worker's life are Umbel's signals: they are not called here."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self.app = app

    @property
    def conf(self) -> Any:
        """The app's settings."""
        return self.app.conf

    def now(self, utc: bool = True) -> datetime:
        """The time."""
        found: datetime = self.app.now()
        return found

    def import_module(self, module: str, package: str | None = None) -> Any:
        """A module by its name."""
        return import_module(module, package=package)

    def import_task_module(self, module: str) -> Any:
        """A module of tasks, also one of the current folder."""
        return self.import_from_cwd(module)

    def import_from_cwd(self, module: str, imp: Any = None, package: str | None = None) -> Any:
        """A module, also one of the current folder."""
        return imports.import_from_cwd(module, imp or self.import_module, package)

    def find_module(self, module: str) -> Any:
        """Where it is."""
        return imports.find_module(module)

    @property
    def default_modules(self) -> tuple[str, ...]:
        """The modules that a worker imports."""
        return (*self.conf.imports, *self.conf.include)

    def import_default_modules(self) -> None:
        """Import them, and what is discovered: once."""
        self.app.load()

    def config_from_object(self, obj: Any, silent: bool = False) -> bool:
        """As the app's method of this name."""
        self.app.config_from_object(obj, silent=silent, force=True)
        return True

    def autodiscover_tasks(self, packages: Iterable[str], related_name: str | None = "tasks") -> None:
        """Import ``related_name`` of each package, now."""
        autodiscover.import_related(autodiscover.names(packages), related_name)


__all__ = ["BaseLoader"]

__getattr__ = offered.names_not_in(__name__)
