"""Celery's ``loaders.default``: the loader of apps that read ``celeryconfig``. Umbel reads it only when told to."""

from umbel.celery.loaders.base import BaseLoader

DEFAULT_CONFIG_MODULE = "celeryconfig"


class Loader(BaseLoader):
    """A loader."""


__all__ = ["DEFAULT_CONFIG_MODULE", "Loader"]
