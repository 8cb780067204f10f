"""The alias: ``import celery`` gives ``umbel.celery``. Loads nothing of Umbel until a program imports one of the names.

A package of its own beside ``umbel``, because the ``.pth`` file of the distribution runs it while Python starts, ahead
of pytest, which rewrites the assertions of plugins: PYTEST_DONT_REWRITE.
"""

import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType
from typing import Any, cast

HOMES = {"celery": "umbel.celery", "kombu": "umbel.celery.kombu", "billiard": "umbel.celery.billiard"}


def install() -> None:
    """Have ``celery``, ``kombu`` and ``billiard`` mean Umbel's, with all their modules. A second call does nothing.

    Raises ``ImportError`` where the real ones were imported before: a program must not hold both.
    """
    if installed():
        return
    for name in HOMES:
        if name in sys.modules:
            raise ImportError(
                f"{name} was imported before umbel.install_as_celery(): call install_as_celery() first, ahead of every "
                "import of celery or kombu, or set UMBEL_AS_CELERY=1"
            )
    sys.meta_path.insert(0, Alias())


def installed() -> bool:
    """Whether it is on."""
    return any(isinstance(finder, Alias) for finder in sys.meta_path)


def native(name: str) -> str | None:
    """Where Umbel has the module ``name``; None for what is not Celery's."""
    top, dot, rest = name.partition(".")
    home = HOMES.get(top)
    return None if home is None else home + dot + rest


class Alias:
    """A finder that answers for Celery's modules, and for the version of its distribution."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """The module of Umbel under Celery's name. Raises ``ModuleNotFoundError`` for what Umbel has not."""
        home = native(name)
        if home is None:
            return None
        try:
            real = find_spec(home)
        except ModuleNotFoundError:  # of a package that is not there either
            real = None
        if real is None:
            raise ModuleNotFoundError(
                f"{name} is not offered by Umbel; what is, and what to use instead: docs/celery.md", name=name
            )
        spec = ModuleSpec(
            name, Loader(real), origin=real.origin, is_package=real.submodule_search_locations is not None
        )
        spec.submodule_search_locations = real.submodule_search_locations
        return spec

    def find_distributions(self, context: Any) -> Iterator[Any]:
        """The distribution ``celery``, so that what asks for its version hears which one Umbel is like."""
        if (getattr(context, "name", None) or "").lower() == "celery":
            yield import_module("umbel.celery.distribution").Celery()


class Loader(InspectLoader):
    """Hands out a module of Umbel as it is: one object under both names."""

    def __init__(self, real: ModuleSpec) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module under its own name."""
        module = import_module(self.real.name)
        self.real = module.__spec__ or self.real
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to run; the import put its own spec on the module, and here the module gets back its own."""
        module.__spec__ = self.real

    def is_package(self, fullname: str) -> bool:
        """Whether it has modules of its own."""
        return self.real.submodule_search_locations is not None

    def get_source(self, fullname: str) -> str | None:
        """What is written in the module's file."""
        return self._own().get_source(self.real.name)

    def get_code(self, fullname: str) -> CodeType | None:
        """The code behind ``python -m celery``."""
        return self._own().get_code(self.real.name)

    def _own(self) -> InspectLoader:
        return cast("InspectLoader", self.real.loader)
