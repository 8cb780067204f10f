"""Celery's ``utils.collections``: mappings with attributes. Its other classes serve the inside of Celery's worker."""

from collections import ChainMap, OrderedDict
from collections.abc import Mapping, MutableMapping
from typing import Any

from umbel.app.config import Config as ConfigurationView
from umbel.celery import offered


class AttributeDictMixin:
    """A mapping whose keys are attributes."""

    def __getattr__(self, k: str) -> Any:
        try:
            return self[k]  # type: ignore[index]  # a mapping beside it
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {k!r}") from None

    def __setattr__(self, k: str, v: Any) -> None:
        self[k] = v


class AttributeDict(AttributeDictMixin, dict[str, Any]):
    """A dict whose keys are attributes."""


class DictAttribute(MutableMapping[str, Any]):
    """An object whose attributes are keys."""

    obj: Any = None

    def __init__(self, obj: Any) -> None:
        object.__setattr__(self, "obj", obj)

    def __getitem__(self, key: str) -> Any:
        try:
            return getattr(self.obj, key)
        except AttributeError:
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self.obj, key, value)

    def __delitem__(self, key: str) -> None:
        delattr(self.obj, key)

    def __iter__(self) -> Any:
        return (name for name in dir(self.obj) if not name.startswith("__"))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getattr__(self, key: str) -> Any:
        return getattr(self.obj, key)


def force_mapping(m: Any) -> Any:
    """A mapping as it is; anything else with its attributes as keys."""
    return m if isinstance(m, Mapping) else DictAttribute(m)


def lpmerge(L: dict[Any, Any], R: Mapping[Any, Any]) -> dict[Any, Any]:
    """Put into ``L`` what ``R`` has other than None, and return it."""
    L.update({name: value for name, value in R.items() if value is not None})
    return L


__all__ = [
    "AttributeDict",
    "AttributeDictMixin",
    "ChainMap",
    "ConfigurationView",
    "DictAttribute",
    "OrderedDict",
    "force_mapping",
    "lpmerge",
]

__getattr__ = offered.names_not_in(__name__)
