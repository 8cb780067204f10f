"""Celery's ``utils.imports``: modules and what is in them, by name."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module, reload, util
from pathlib import Path
from types import ModuleType
from typing import Any


class NotAPackage(Exception):
    """A module of a package was asked for, and the package is none."""


def qualname(obj: Any) -> str:
    """``module.Name`` of a class, or of an object's class."""
    named = obj if hasattr(obj, "__name__") or hasattr(obj, "__qualname__") else type(obj)
    name = getattr(named, "__qualname__", None) or named.__name__
    module = getattr(named, "__module__", None)
    return name if not module or ("." in name and name.startswith(module)) else f"{module}.{name}"


def symbol_by_name(
    name: Any,
    aliases: Mapping[str, str] | None = None,
    imp: Callable[..., Any] | None = None,
    package: str | None = None,
    sep: str = ".",
    default: Any = None,
    **kwargs: Any,
) -> Any:
    """What ``"module.Name"`` or ``"module:Name"`` names; what is no text is returned as it is.

    Raises ``ImportError`` or ``AttributeError``, unless there is a ``default``.
    """
    if not isinstance(name, str):
        return name
    path = (aliases or {}).get(name) or name
    module, _, attribute = path.rpartition(":" if ":" in path else sep)
    if not module:
        module, attribute = attribute, ""
        if package:
            module, attribute = package, module
    try:
        found = (imp or import_module)(module, package=package, **kwargs)
        return getattr(found, attribute) if attribute else found
    except (ImportError, AttributeError):
        if default is None:
            raise
        return default


def instantiate(name: Any, *args: Any, **kwargs: Any) -> Any:
    """An object of the class of this name."""
    return symbol_by_name(name)(*args, **kwargs)


@contextmanager
def cwd_in_path() -> Iterator[str | None]:
    """The current folder on ``sys.path`` for a block; gives None where there is no such folder any more."""
    try:
        here = str(Path.cwd())
    except FileNotFoundError:
        yield None
        return
    if here in sys.path:
        yield here
        return
    sys.path.insert(0, here)
    try:
        yield here
    finally:
        if here in sys.path:
            sys.path.remove(here)


def import_from_cwd(module: str, imp: Callable[..., Any] | None = None, package: str | None = None) -> Any:
    """A module, also one of the current folder."""
    with cwd_in_path():
        return (imp or import_module)(module, package=package)


def reload_from_cwd(module: ModuleType, reloader: Callable[[ModuleType], Any] | None = None) -> Any:
    """The module, read anew."""
    with cwd_in_path():
        return (reloader or reload)(module)


def find_module(module: str, path: str | None = None, imp: Callable[[str], Any] | None = None) -> Any:
    """Where a dotted module is (a spec, or None). Raises ``NotAPackage`` if a part on the way has no modules."""
    with cwd_in_path():
        parts = module.split(".")
        for count in range(1, len(parts)):
            parent = (imp or import_module)(".".join(parts[:count]))
            if not hasattr(parent, "__path__"):
                raise NotAPackage(".".join(parts[:count]))
        return util.find_spec(module)


def module_file(module: ModuleType) -> str | None:
    """The file of its source."""
    name = module.__file__
    return name[:-1] if name is not None and name.endswith(".pyc") else name


def gen_task_name(app: Any, name: str, module_name: str) -> str:
    """The name of a task that is defined so."""
    return str(app.gen_task_name(name, module_name))
