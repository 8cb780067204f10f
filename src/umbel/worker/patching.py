"""Python's blocking parts replaced by those of gevent or eventlet: before the application is loaded, or it has none."""

import logging
import sys
import warnings
from importlib import import_module

from umbel.runtime.unpatched import RLock

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
        patcher = import_module(module)
        # eventlet would make the locks that exist already greenlets' locks, on which our I/O thread could not wait.
        if hasattr(patcher, "patcher"):
            patcher.patcher._green_existing_locks = lambda *_: None  # noqa: SLF001
        getattr(patcher, function)()
    _log_with_real_locks()


def _log_with_real_locks() -> None:
    """Threads of the system's own log too, and cannot wait for locks of greenlets."""

    def create(handler: logging.Handler) -> None:
        handler.lock = RLock()

    logging.Handler.createLock = create  # type: ignore[method-assign, assignment]
    logging._lock = RLock()  # type: ignore[attr-defined]  # noqa: SLF001
    for reference in logging._handlerList:  # type: ignore[attr-defined]  # noqa: SLF001
        if (handler := reference()) is not None:
            create(handler)


def _loaded_early() -> list[str]:
    """Packages besides Python's own, ours and what we stand on, that are loaded already."""
    ours = {"umbel", "msgspec", "typing_extensions", "sitecustomize", "umbel_as_celery"}
    names = {name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
    return sorted(name for name in names - ours - sys.stdlib_module_names if not name.startswith("_"))
