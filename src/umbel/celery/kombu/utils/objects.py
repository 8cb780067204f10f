"""kombu's ``utils.objects``: a property whose value is computed once and kept in the object."""

import functools
from collections.abc import Callable
from threading import RLock
from typing import Any


class cached_property(functools.cached_property[Any]):
    """Computed when it is first asked for. ``setter`` sees what is assigned, ``deleter`` what is deleted."""

    def __init__(
        self,
        fget: Callable[[Any], Any] | None = None,
        fset: Callable[[Any, Any], Any] | None = None,
        fdel: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        super().__init__(fget or (lambda obj: None))
        self._set, self._del, self._lock = fset, fdel, RLock()

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        try:
            return instance.__dict__[self.attrname or ""]
        except KeyError:
            with self._lock:
                return super().__get__(instance, owner)

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.attrname or ""] = value if self._set is None else self._set(instance, value)

    def __delete__(self, instance: Any) -> None:
        value = instance.__dict__.pop(self.attrname or "", None)
        if self._del is not None and value is not None:
            self._del(instance, value)

    def setter(self, fset: Callable[[Any, Any], Any]) -> "cached_property":
        """The same with ``fset``, which returns what is kept."""
        return type(self)(self.func, fset, self._del)

    def deleter(self, fdel: Callable[[Any, Any], Any]) -> "cached_property":
        """The same with ``fdel``, which is told what was kept."""
        return type(self)(self.func, self._set, fdel)
