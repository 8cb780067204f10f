"""Celery's ``utils.objects``: small objects."""

from collections.abc import Callable
from functools import reduce
from typing import Any


class Bunch:
    """An object whose attributes are what it was made of."""

    def __init__(self, **kwargs: Any) -> None:
        self.__dict__.update(kwargs)


class FallbackContext:
    """A context that is the one given, or one made for the block."""

    def __init__(self, provided: Any, fallback: Callable[..., Any], *fb_args: Any, **fb_kwargs: Any) -> None:
        self.provided = provided
        self._make: Callable[[], Any] = lambda: fallback(*fb_args, **fb_kwargs)
        self._context: Any = None

    def __enter__(self) -> Any:
        if self.provided is not None:
            return self.provided
        self._context = self._make()
        return self._context.__enter__()

    def __exit__(self, *exc_info: Any) -> Any:
        return None if self._context is None else self._context.__exit__(*exc_info)


class getitem_property:
    """An attribute that is a key of the object, which is a mapping; dots in ``keypath`` lead inwards."""

    def __init__(self, keypath: str, doc: str | None = None) -> None:
        path, _, self.key = keypath.rpartition(".")
        self.path = path.split(".") if path else []
        self.__doc__ = doc

    def __get__(self, obj: Any, type: type | None = None) -> Any:
        return type if obj is None else self._at(obj).get(self.key)

    def __set__(self, obj: Any, value: Any) -> None:
        self._at(obj)[self.key] = value

    def _at(self, obj: Any) -> Any:
        return reduce(lambda found, key: found[key], self.path, obj)


def mro_lookup(cls: type, attr: str, stop: Any = None, monkey_patched: Any = None) -> type | None:
    """The first of a class and its bases that defines ``attr``; None from the first of ``stop`` on."""
    for kind in cls.mro():
        if kind in (stop or ()):
            return None
        if attr in kind.__dict__:
            return kind
    return None
