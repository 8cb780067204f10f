"""Options of an adapter, from its URL and its settings: warns about what it does not have. Reads nothing else."""

import warnings
from collections.abc import Collection, Mapping
from typing import Any

from umbel.core.errors import ImproperlyConfigured, UmbelWarning


class Options:
    """What was chosen for the adapter at ``url``, out of those ``known`` to it; others cost a warning."""

    def __init__(self, url: str, chosen: Mapping[str, Any], known: Collection[str]) -> None:
        self._url = url
        self._chosen = chosen
        for name in sorted(set(chosen) - set(known)):
            having = ", ".join(sorted(known)) or "none"
            warnings.warn(
                f"{url} has no option {name!r}, it is not used; options: {having}", UmbelWarning, stacklevel=3
            )

    def text(self, name: str, default: str) -> str:
        """An option that is text."""
        return str(self._chosen.get(name, default))

    def number(self, name: str, default: float) -> float:
        """An option that is a number, not below zero. Raises ``ImproperlyConfigured``."""
        value = self._chosen.get(name, default)
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = -1.0
        if not number >= 0:
            raise ImproperlyConfigured(f"option {name}={value!r} of {self._url} must be a number, 0 or more")
        return number
