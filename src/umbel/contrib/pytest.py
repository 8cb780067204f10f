"""What the fixtures of the pytest plugin do: an application in memory, and settings for the time of a test.

The fixtures themselves are in ``umbel_pytest``, which pytest loads at every start. Imports no pytest.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from umbel.app import ambient
from umbel.app.application import Umbel
from umbel.testing.memory import memory_of_its_own


@contextmanager
def app_in_memory(settings: Mapping[str, Any]) -> Iterator[Umbel]:
    """A new application that is current during the block. ``settings`` may name another broker."""
    with ambient.restored(), memory_of_its_own() as url:
        changes = {"broker_url": url, "result_backend": url, **settings}
        with Umbel("tests", changes=changes) as app:
            yield app


@contextmanager
def current_app_with(settings: Mapping[str, Any]) -> Iterator[Umbel]:
    """The current application with other settings. Raises ``ImproperlyConfigured`` where there is none."""
    app = ambient.get_current_app()
    with app.conf.overridden(settings):
        yield app
