"""Python's blocking parts replaced by those of gevent or eventlet: before the application is loaded, or it has none."""

import logging
import sys
import warnings
from importlib import import_module

logger = logging.getLogger("umbel.worker")
PATCHES = {"gevent": ("gevent.monkey", "patch_all"), "eventlet": ("eventlet", "monkey_patch")}


def patch(pool: str) -> None:
    """Patch, if the lane of this name wants it."""
    if pool not in PATCHES:
        return
    if early := _loaded_early():
        logger.warning(
            "Loaded before %s could patch Python, and so perhaps blocking: %s. Have them imported by the application.",
            pool,
            ", ".join(early),
        )
    module, function = PATCHES[pool]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that ssl and threading are loaded already: by us, who know the originals
        getattr(import_module(module), function)()


def _loaded_early() -> list[str]:
    """Packages besides Python's own, ours and what we stand on, that are loaded already."""
    ours = {"umbel", "msgspec", "gevent", "eventlet", "greenlet", "zope", "dns", "_distutils_hack", "sitecustomize"}
    names = {name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
    return sorted(name for name in names - ours - sys.stdlib_module_names if not name.startswith("__"))
