"""Finding task modules: ``tasks.py`` in each of a list of packages. Imports them; nothing else."""

import importlib
import importlib.util
from collections.abc import Callable, Iterable
from types import ModuleType


def import_related(packages: Iterable[str], related: str | None) -> list[ModuleType]:
    """Import ``package.related`` of each package that has one; with ``related`` None, the names themselves.

    What goes wrong inside such a module is raised; that there is none is fine.
    """
    found = []
    for package in packages:
        if not related:
            found.append(importlib.import_module(package))
            continue
        importlib.import_module(package)
        name = f"{package}.{related}"
        if _exists(name):
            found.append(importlib.import_module(name))
    return found


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            return False  # the "package" is a module, and has nothing inside
        raise


def names(packages: Iterable[str] | Callable[[], Iterable[str]] | None) -> list[str]:
    """The packages, also when they come from a function that is called only now."""
    found = packages() if callable(packages) else packages
    return list(found or ())
