"""What ``importlib.metadata`` hears of ``celery`` while the alias is on: a name and a version, and no files."""

import os
from importlib.metadata import Distribution
from typing import NoReturn

from umbel.celery.version import VERSION_TEXT


class Celery(Distribution):
    """The distribution ``celery``, in Umbel."""

    def read_text(self, filename: str) -> str | None:
        """Its METADATA; None for any other file."""
        if filename != "METADATA":
            return None
        return f"Metadata-Version: 2.1\nName: celery\nVersion: {VERSION_TEXT}\n"

    def locate_file(self, path: str | os.PathLike[str]) -> NoReturn:
        """Raises ``NotImplementedError``: it has no files."""
        raise NotImplementedError("celery is Umbel here and has no files of its own; see the distribution umbel")
