"""Celery's ``loaders``: what imports the modules of tasks. Umbel's apps do it themselves; the names stand over that."""

from typing import Any

from umbel.celery.utils.imports import symbol_by_name

LOADER_ALIASES = {"app": "umbel.celery.loaders.app:AppLoader", "default": "umbel.celery.loaders.default:Loader"}


def get_loader_cls(loader: str) -> Any:
    """The class of this name."""
    return symbol_by_name(loader, LOADER_ALIASES)


__all__ = ["get_loader_cls"]
