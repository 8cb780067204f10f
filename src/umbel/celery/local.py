"""Celery's ``local``: objects that stand for others, which are looked up when they are used."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from umbel.app import ambient


class Proxy(ambient.Proxy):
    """Stands for what ``local`` returns, each time; with ``name``, for that attribute of ``local``."""

    __slots__ = ()

    def __init__(
        self,
        local: Any,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        __doc__: str | None = None,
    ) -> None:
        def lookup() -> Any:
            if (name is not None and not callable(local)) or hasattr(local, "__release_local__"):
                return getattr(local, name or "")
            return local(*(args or ()), **(kwargs or {}))

        super().__init__(lookup, f"<Proxy {name or local!r}>")

    def __str__(self) -> str:
        return str(self.__umbel_target__)

    def __len__(self) -> int:
        return len(self.__umbel_target__)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.__umbel_target__)

    def __contains__(self, item: object) -> bool:
        return item in self.__umbel_target__

    def __getitem__(self, key: Any) -> Any:
        return self.__umbel_target__[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__umbel_target__[key] = value

    def __delitem__(self, key: Any) -> None:
        del self.__umbel_target__[key]


class PromiseProxy(Proxy):
    """Stands for what ``local`` returned the first time."""

    __slots__ = ()

    def __init__(
        self,
        local: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        __doc__: str | None = None,
    ) -> None:
        kept: list[Any] = []

        def once() -> Any:
            if not kept:
                kept.append(local(*(args or ()), **(kwargs or {})))
            return kept[0]

        super().__init__(once, name=None)

    def __maybe_evaluate__(self) -> Any:
        return self.__umbel_target__

    def __evaluate__(self) -> Any:
        return self.__umbel_target__


def maybe_evaluate(obj: Any) -> Any:
    """What a ``PromiseProxy`` stands for; anything else as it is."""
    return obj.__maybe_evaluate__() if type(obj) is PromiseProxy else obj


def try_import(module: str, default: Any = None) -> Any:
    """A module, or ``default`` where it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        return default
