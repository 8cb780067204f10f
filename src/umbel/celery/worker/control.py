"""Celery's ``worker.control``: commands of your own, registered. No worker answers commands yet, and the log says so.

``Panel.data`` has the functions by name and ``Panel.meta`` what was said of them, for remote control to come.
"""

import logging
from collections import UserDict
from collections.abc import Callable
from typing import Any, NamedTuple

from umbel.celery import offered

logger = logging.getLogger("celery.worker.control")
Handler = Callable[..., Any]


class controller_info_t(NamedTuple):
    """What is said of a command."""

    alias: str | None
    type: str
    visible: bool
    default_timeout: float
    help: str | None
    signature: str | None
    args: Any
    variadic: str | None


class Panel(UserDict[str, Handler]):
    """The commands there are."""

    data: dict[str, Handler] = {}
    meta: dict[str, controller_info_t] = {}

    @classmethod
    def register(cls, *args: Any, **kwargs: Any) -> Any:
        """A decorator: with options, or without."""
        if args:
            return cls._register(**kwargs)(*args)
        return cls._register(**kwargs)

    @classmethod
    def _register(
        cls,
        name: str | None = None,
        alias: str | None = None,
        type: str = "control",
        visible: bool = True,
        default_timeout: float = 1.0,
        help: str | None = None,
        signature: str | None = None,
        args: Any = None,
        variadic: str | None = None,
    ) -> Callable[[Handler], Handler]:
        def decorate(function: Handler) -> Handler:
            called = name or function.__name__
            text = help or (function.__doc__ or "").strip().split("\n")[0]
            cls.data[called] = function
            cls.meta[called] = controller_info_t(alias, type, visible, default_timeout, text, signature, args, variadic)
            if alias:
                cls.data[alias] = function
            logger.warning("The command %r is registered, and no worker answers commands yet", called)
            return function

        return decorate


def control_command(**kwargs: Any) -> Any:
    """A decorator for a command that changes something: ``def name(state, **arguments)``."""
    return Panel.register(type="control", **kwargs)


def inspect_command(**kwargs: Any) -> Any:
    """A decorator for a command that tells something."""
    return Panel.register(type="inspect", **kwargs)


def ok(value: Any) -> dict[str, Any]:
    """What a command answers when it is done."""
    return {"ok": value}


def nok(value: Any) -> dict[str, Any]:
    """What a command answers when it cannot."""
    return {"error": value}


__all__ = ["Panel", "control_command", "inspect_command", "nok", "ok"]

__getattr__ = offered.names_not_in(__name__)
