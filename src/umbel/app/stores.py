"""A result store by the name of its class: of an entry point (``django-db``) or dotted (``proj.results:Store``).

Two kinds of classes are taken: those that are made as Umbel's own stores are (``result.base``), and those that say
themselves how they become one, by ``as_store(app, url)``; Celery's backends do, under Celery's names.
"""

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

from umbel.app import source
from umbel.core.errors import ImproperlyConfigured
from umbel.result.base import Store
from umbel.result.lookup import BUILT, PLANNED

if TYPE_CHECKING:
    from umbel.app.application import Umbel

GROUP = "celery.result_backends"
"""Entry points that give a backend a short name."""


def is_named(url: str) -> bool:
    """Whether it names a class, and no scheme that Umbel knows."""
    scheme = url.partition("://")[0]
    name = scheme.partition("+")[0]
    known = scheme in BUILT or scheme in PLANNED or scheme.startswith("db+")
    return not known and ("." in name or ":" in name or bool(entry_points(group=GROUP, name=name)))


def named_store(app: "Umbel", url: str, **options: Any) -> Store:
    """The store of the class that ``url`` names, before ``://`` or ``+``. Raises ``ImproperlyConfigured``."""
    name, plus, rest = url.partition("+")
    if not plus or "://" in name:
        name, rest = url.partition("://")[0], url
    kind = _load(name)
    if hasattr(kind, "as_store"):
        return cast(Store, kind.as_store(app, rest if "://" in rest else None))
    if hasattr(kind, "store_result"):
        raise ImproperlyConfigured(f"result backend {name!r} is a class over the real Celery: set UMBEL_AS_CELERY=1")
    if not isinstance(kind, type):
        raise ImproperlyConfigured(f"result backend {name!r} is no class of result stores: it is {kind!r:.100}")
    return cast(Store, kind(rest, **options))


def _load(name: str) -> Any:
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    try:
        return source.load(name)
    except ImportError as error:
        raise ImproperlyConfigured(f"result backend {name!r} cannot be imported: {error}") from error
