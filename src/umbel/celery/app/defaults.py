"""Celery's ``app.defaults``: the settings there are, with the values that an app of Celery's names starts from."""

from typing import Any, NamedTuple

from umbel.app.settings import Settings
from umbel.celery import offered

DEFAULTS: dict[str, Any] = {name: setting.default("celery") for name, setting in Settings.TABLE.items()}


class searchresult(NamedTuple):
    """A setting: the part of its name before the first underscore, the rest, and its declaration."""

    namespace: str
    key: str
    type: Any


def find(name: str, namespace: str = "celery") -> searchresult:
    """The setting of this name, or the first whose name ends so. Raises ``KeyError``."""
    name = name.lower()
    endings = (known for known in Settings.TABLE if name in (known, known.partition("_")[2]))
    found = next(endings, None)
    if found is None:
        raise KeyError(name)
    first, _, rest = found.partition("_")
    return searchresult(first, rest, Settings.TABLE[found])


__all__ = ["DEFAULTS", "find"]

__getattr__ = offered.names_not_in(__name__)
