"""Celery's ``local``: objects that stand for others, which are looked up when they are used."""

from collections.abc import Callable
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
