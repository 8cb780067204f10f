"""Libraries that come with an extra of Umbel: imported when something asks for them, and never before."""

from importlib import import_module
from types import ModuleType
from typing import Any

from umbel.core.errors import ImproperlyConfigured


def library(extra: str, *modules: str) -> Any:
    """The first of ``modules`` that is installed. Raises ``ImproperlyConfigured`` that names the ``extra``."""
    for name in modules:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise _missing(extra)


def adapter(module: str) -> ModuleType:
    """A module of Umbel's whose libraries come with the extra of its last name. Raises ``ImproperlyConfigured``."""
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] == "umbel":
            raise
        raise _missing(module.rpartition(".")[2]) from exc


def _missing(extra: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f'{extra} needs a library that is not installed: pip install "umbel[{extra}]"')
