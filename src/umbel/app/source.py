"""Where a configuration object comes from: a module, an object, a dict, or a name of one. Reads; checks no values."""

import importlib
import types
from collections.abc import Mapping
from typing import Any

from umbel.app.settings import Settings
from umbel.core.errors import ImproperlyConfigured


def read(obj: Any, namespace: str | None, *, silent: bool = False) -> dict[str, Any]:
    """The settings of ``obj`` by their lower-case names.

    With a namespace only names under it count, upper-cased as Celery has it: ``CELERY_TASK_SERIALIZER`` for
    ``task_serializer``. ``silent``: a name that cannot be imported means no settings.
    """
    if isinstance(obj, str):
        try:
            obj = load(obj)
        except ImportError as error:
            if silent:
                return {}
            raise ImproperlyConfigured(f"configuration {obj!r} cannot be imported: {error}") from error
    values = dict(obj) if isinstance(obj, Mapping) else _attributes(obj)
    if namespace:
        prefix = namespace.rstrip("_") + "_"
        return {k[len(prefix) :].lower(): v for k, v in values.items() if k.upper().startswith(prefix.upper())}
    _refuse_upper(values)
    return values


def load(name: str) -> Any:
    """Import ``module``, ``module:attribute`` or ``module.attribute``."""
    module, colon, attribute = name.partition(":")
    if colon:
        return _attribute(importlib.import_module(module), attribute)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        parent, _, attribute = name.rpartition(".")
        if not parent or error.name != name:
            raise
        return _attribute(importlib.import_module(parent), attribute)


def _attribute(value: Any, path: str) -> Any:
    for part in path.split("."):
        try:
            value = getattr(value, part)
        except AttributeError as error:
            raise ImportError(str(error)) from None
    return value


def _attributes(obj: Any) -> dict[str, Any]:
    """What a module or object sets: not what it imports or defines."""
    skipped = (types.ModuleType, types.FunctionType, type) if isinstance(obj, types.ModuleType) else types.ModuleType
    names = [name for name in dir(obj) if not name.startswith("_")]
    found = {name: getattr(obj, name) for name in names}
    return {n: v for n, v in found.items() if n in Settings.TABLE or (not isinstance(v, skipped) and not callable(v))}


def _refuse_upper(values: Mapping[str, Any]) -> None:
    if any(name in Settings.TABLE for name in values):
        return
    for name in values:
        prefix, _, rest = name.partition("_")
        if name.isupper() and rest.lower() in Settings.TABLE:
            raise ImproperlyConfigured(
                f"the configuration names its settings like {name}: pass namespace={prefix!r}, "
                f"or name them in lower case ({rest.lower()})"
            )
