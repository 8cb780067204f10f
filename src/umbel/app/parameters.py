"""What the callers of a task may give: the parameters of its body, behind what Umbel has put around that itself."""

import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any


def around(body: Callable[..., Any], wrapper: Callable[..., Any]) -> None:
    """Note that ``wrapper`` is Umbel's own and takes what ``body`` takes."""
    wrapper.umbel_body = body  # type: ignore[attr-defined]


def signature_of(task: Any) -> inspect.Signature:
    """What its callers may give. Raises ``TypeError`` or ``ValueError`` for what is written in C.

    A decorator of the user's is asked itself, and not the function behind it, to which it may give more (a session).
    """
    body = task.run
    while (inner := getattr(body, "__dict__", {}).get("umbel_body")) is not None:  # of no mock
        body = MethodType(inner, body.__self__) if inspect.ismethod(body) and not inspect.ismethod(inner) else inner
    return inspect.signature(body, follow_wrapped=False)
