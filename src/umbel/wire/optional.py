"""Libraries that come with an extra of Umbel: imported when something asks for them, and never before."""

from importlib import import_module
from typing import Any

from umbel.core.errors import ImproperlyConfigured


def library(extra: str, *modules: str) -> Any:
    """The first of ``modules`` that is installed. Raises ``ImproperlyConfigured`` that names the ``extra``."""
    for name in modules:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise ImproperlyConfigured(f'{extra} needs a library that is not installed: pip install "umbel[{extra}]"')
