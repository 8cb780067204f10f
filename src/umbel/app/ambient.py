"""Ambient state: which app is current, which task runs, and the tasks of libraries that know no app (``shared_task``).

The only module through which code finds an app that it was not handed.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from umbel.app import request
from umbel.core.errors import ImproperlyConfigured
from umbel.core.schedule import Schedule

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.app.task import Task

_apps: "weakref.WeakSet[Umbel]" = weakref.WeakSet()
_shared: "list[Callable[[Umbel], Any]]" = []
_local: "set[Callable[[Umbel], Any]]" = set()
"""What of that a function shared, and no module."""
_current: "list[Umbel]" = []  # one at most
_scoped: "ContextVar[Umbel | None]" = ContextVar("umbel_app", default=None)


# Apps -----------------------------------------------------------------------------------------------------------------


def join(app: "Umbel", *, current: bool) -> None:
    """Make an app known to shared tasks, and current if it says so."""
    _apps.add(app)
    if current:
        set_current(app)


def leave(app: "Umbel") -> None:
    """Forget an app."""
    _apps.discard(app)
    if app in _current:
        _current.clear()


def set_current(app: "Umbel") -> None:
    """Make ``app`` current in this process, for all threads."""
    _current[:] = [app]


@contextmanager
def using(app: "Umbel") -> "Iterator[Umbel]":
    """Make ``app`` current for this block only, in this thread or coroutine."""
    token = _scoped.set(app)
    try:
        yield app
    finally:
        _scoped.reset(token)


@contextmanager
def restored() -> Iterator[None]:
    """After the block, the current app is that of before, and the tasks that functions shared in it are forgotten.

    What a module shared in the block stays: no later import would share it again.
    """
    current, shared = list(_current), list(_shared)
    try:
        yield
    finally:
        _current[:] = current
        _shared[:] = [make for make in _shared if make in shared or make not in _local]
        _local.intersection_update(_shared)


def get_current_app() -> "Umbel":
    """The current app. Raises ``ImproperlyConfigured`` if none was made."""
    app = _scoped.get() or (_current[0] if _current else None)
    if app is None:
        raise ImproperlyConfigured("there is no app yet: make one, Umbel('name'), and import its module first")
    return app


# Schedules that were handed no app ask the current one, as with Celery.
Schedule.ambient = staticmethod(lambda: _scoped.get() or (_current[0] if _current else None))


def get_current_task() -> "Task[..., Any] | None":
    """The task that runs here, if one does."""
    context = request.current.get()
    if context is None or context.task is None:
        return None
    return get_current_app().tasks.get(context.task)


# Shared tasks ---------------------------------------------------------------------------------------------------------


def share(make: "Callable[[Umbel], Any]", *, local: bool = False) -> None:
    """Have ``make(app)`` called for every app: those finalized already now, all others when they are.

    ``local`` where a function made the task, which may do so again.
    """
    _shared.append(make)
    if local:
        _local.add(make)
    for app in list(_apps):
        if app.finalized:
            make(app)


def shared() -> "tuple[Callable[[Umbel], Any], ...]":
    """What ``share`` was given, in order."""
    return tuple(_shared)


class _OfTarget(str):
    """A text that a class has, and of whose instances each has that of what it stands for."""

    __slots__ = ("_name",)

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, proxy: Any, owner: type) -> Any:
        if proxy is None:
            return self
        try:
            target = proxy.__umbel_target__
        except ImproperlyConfigured:
            target = None
        return self if target is None else getattr(target, self._name)


class Proxy:  # noqa: D101  it has a docstring, of another kind
    __doc__ = _OfTarget("Stands for an object that is looked up at every use.")
    __module__ = _OfTarget(__name__)
    __slots__ = ("_lookup", "_text")

    def __init__(self, lookup: Callable[[], Any], text: str) -> None:
        object.__setattr__(self, "_lookup", lookup)
        object.__setattr__(self, "_text", text)

    @property
    def __umbel_target__(self) -> Any:
        return self._lookup()

    def _get_current_object(self) -> Any:  # Celery's and werkzeug's name of it
        return self._lookup()

    @property
    def __class__(self) -> Any:  # so that isinstance() sees through
        try:
            return type(self._lookup())
        except ImproperlyConfigured:
            return Proxy

    @__class__.setter
    def __class__(self, kind: type) -> None:
        raise TypeError("a proxy has the class of what it stands for")

    @property
    def __dict__(self) -> Any:  # type: ignore[override]  # what walks over all objects shall find nothing, not an error
        try:
            return vars(self._lookup())
        except ImproperlyConfigured:
            return {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lookup(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._lookup(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._lookup(), name)

    def __dir__(self) -> Any:
        return dir(self._lookup())

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._lookup().__reduce_ex__(protocol)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return self._lookup()(*args, **kwargs)

    def __bool__(self) -> bool:
        return bool(self._lookup())

    def __eq__(self, other: object) -> bool:
        return bool(self._lookup() == getattr(other, "__umbel_target__", other))

    def __hash__(self) -> int:
        return hash(self._lookup())

    def __repr__(self) -> str:
        return str(self._text)


current_app: "Umbel" = Proxy(get_current_app, "<umbel.current_app>")  # type: ignore[assignment]
current_task: "Task[..., Any]" = Proxy(get_current_task, "<umbel.current_task>")  # type: ignore[assignment]
