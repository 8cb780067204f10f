"""Celery's ``utils.threads``: threads that run until they are stopped, and stacks of each thread's own."""

import threading
from collections.abc import Iterable
from contextvars import ContextVar
from threading import get_ident
from typing import Any

from umbel.celery import offered
from umbel.celery.local import Proxy


class bgThread(threading.Thread):
    """A thread that does ``body`` again and again until ``stop``. What ``body`` raises ends it, and is logged."""

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name or type(self).__name__, daemon=True, **kwargs)
        self._told = threading.Event()
        self._is_over = threading.Event()

    def body(self) -> None:
        """What it does: a place for overriding."""
        raise NotImplementedError("a bgThread defines body()")

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Called when ``body`` has raised."""
        from umbel.celery.utils.log import base_logger

        base_logger.error(msg, *fmt, exc_info=True)

    def run(self) -> None:
        """Do ``body`` until told to stop."""
        try:
            while not self._told.is_set():
                self.body()
        except Exception as error:  # noqa: BLE001  whatever a body raises
            self.on_crash("%r crashed: %r", self.name, error)
        finally:
            self._is_over.set()

    def stop(self) -> None:
        """Have it end after what it does, and wait for that."""
        self._told.set()
        if self.is_alive() and threading.current_thread() is not self:
            self._is_over.wait()


class Local:
    """Attributes of which each thread and each coroutine has its own."""

    def __init__(self) -> None:
        object.__setattr__(self, "_fields", ContextVar("umbel_celery_local"))

    def __call__(self, proxy: str) -> Proxy:
        """A stand-in for the attribute of this name."""
        return Proxy(self, name=proxy)

    def _mine(self) -> dict[str, Any]:
        return dict(self._fields.get({}))

    def __getattr__(self, name: str) -> Any:
        try:
            return self._mine()[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._fields.set({**self._mine(), name: value})

    def __delattr__(self, name: str) -> None:
        mine = self._mine()
        if name not in mine:
            raise AttributeError(name)
        del mine[name]
        self._fields.set(mine)

    def __release_local__(self) -> None:
        self._fields.set({})


class LocalStack:
    """A stack of which each thread and each coroutine has its own."""

    def __init__(self) -> None:
        self._items: ContextVar[tuple[Any, ...]] = ContextVar("umbel_celery_stack", default=())

    def push(self, obj: Any) -> list[Any]:
        """Put on top, and return the stack."""
        self._items.set((*self._items.get(), obj))
        return self.stack

    def pop(self) -> Any:
        """Take what is on top, or None."""
        items = self._items.get()
        self._items.set(items[:-1])
        return items[-1] if items else None

    def __len__(self) -> int:
        return len(self._items.get())

    @property
    def stack(self) -> list[Any]:
        """What is on it, the lowest first."""
        return list(self._items.get())

    @property
    def top(self) -> Any:
        """What is on top, or None."""
        items = self._items.get()
        return items[-1] if items else None

    def __release_local__(self) -> None:
        self._items.set(())


class LocalManager:
    """Empties several locals at once."""

    def __init__(self, locals: Iterable[Any] | None = None, ident_func: Any = None) -> None:
        self.locals = list(locals or ())
        self._ident = ident_func or get_ident

    def get_ident(self) -> Any:
        """What tells this thread apart."""
        return self._ident()

    def cleanup(self) -> None:
        """Empty them, for this thread or coroutine."""
        for one in self.locals:
            release_local(one)


def release_local(local: Any) -> None:
    """Empty a local, for this thread or coroutine."""
    local.__release_local__()


__getattr__ = offered.names_not_in(__name__)
