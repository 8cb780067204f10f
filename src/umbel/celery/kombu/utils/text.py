"""kombu's ``utils.text``: calls as text. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from umbel.celery.kombu.utils.encoding import safe_repr


def reprkwargs(kwargs: Mapping[str, Any], sep: str = ", ", fmt: str = "{0}={1}") -> str:
    """``a=1, b=2``."""
    return sep.join(fmt.format(name, safe_repr(value)) for name, value in kwargs.items())


def reprcall(name: str, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None, sep: str = ", ") -> str:
    """``name(1, b=2)``."""
    return f"{name}({sep.join([*map(safe_repr, args), *([reprkwargs(kwargs, sep)] if kwargs else [])])})"
