"""Celery's ``loaders.app``: the loader of an app."""

from umbel.celery.loaders.base import BaseLoader


class AppLoader(BaseLoader):
    """``app.loader``."""


__all__ = ["AppLoader"]
