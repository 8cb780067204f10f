"""Where a configuration object comes from: a module, an object, a dict, or a name of one. Reads; checks no values."""

import importlib
import types
from collections.abc import Mapping
from typing import Any

from umbel.app.settings import OLD, Settings
from umbel.core.errors import ImproperlyConfigured


def read(obj: Any, namespace: str | None, *, silent: bool = False, forgive: bool = False) -> dict[str, Any]:
    """The settings of ``obj`` by the names that they have today.

    With a namespace its names count, upper-cased as Celery has it (``CELERY_TASK_SERIALIZER`` for ``task_serializer``),
    and old names that are no names of the namespace. Without one, names are today's or the old upper-case ones, not
    both. ``silent``: a name that cannot be imported means no settings. ``forgive``: names that are neither are kept.
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
        return _of_namespace(values, namespace.rstrip("_").upper() + "_")
    _refuse_mixed(values)
    if not forgive:
        _refuse_upper(values)
    return {**{OLD[name]: value for name, value in values.items() if name in OLD}, **_without_old(values)}


def _of_namespace(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """What ``prefix`` marks; old names where nothing else says it."""
    marked = {k[len(prefix) :].lower(): (k, v) for k, v in values.items() if k.upper().startswith(prefix)}
    found = {OLD[name]: value for name, value in values.items() if name in OLD}
    for name, (spelled, value) in marked.items():
        if name in Settings.TABLE or spelled not in OLD:
            found[name] = value
    return found


def _without_old(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in OLD}


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


def _refuse_mixed(values: Mapping[str, Any]) -> None:
    """Old names and new ones in one object: which of two would win, nobody could tell. Given twice, it is meant."""
    new = values.keys() & Settings.TABLE.keys()
    renames = {name: OLD[name] for name in values.keys() & OLD.keys() if OLD[name] not in new}
    if not new or not renames:
        return
    if len(renames) > len(new):
        old = {today: name for name, today in OLD.items()}
        renames = {name: old[name] for name in new}
    told = ", ".join(f"{name} -> {other}" for name, other in sorted(renames.items()))
    raise ImproperlyConfigured(f"the configuration mixes old and new names of settings; rename {told}")


def _refuse_upper(values: Mapping[str, Any]) -> None:
    if any(name in Settings.TABLE for name in values):
        return
    for name in values.keys() - OLD.keys():
        prefix, _, rest = name.partition("_")
        if name.isupper() and rest.lower() in Settings.TABLE:
            raise ImproperlyConfigured(
                f"the configuration names its settings like {name}: pass namespace={prefix!r}, "
                f"or name them in lower case ({rest.lower()})"
            )
