"""Celery's ``contrib.testing.app``: applications for tests, and which one is current during one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from umbel.app import ambient
from umbel.app.application import Umbel
from umbel.celery import offered
from umbel.celery.app.base import Celery
from umbel.celery.app.current import get_current_app
from umbel.celery.contrib.testing import tasks
from umbel.testing.memory import memory_of_its_own

__all__ = ["DEFAULT_TEST_CONFIG", "TestApp", "Trap", "set_trap", "setup_default_app", "tasks"]

DEFAULT_TEST_CONFIG = {
    "worker_hijack_root_logger": False,
    "worker_log_color": False,
    "accept_content": {"json"},
    "enable_utc": True,
    "timezone": "UTC",
    "broker_url": "memory://",
    "result_backend": "memory://",
}


class TestApp(Celery):
    """An app for tests: not the current one, and in memory, unless ``config``, ``broker`` and ``backend`` say else.

    ``config`` are its defaults. With ``enable_logging`` its workers write a log.
    """

    __test__ = False  # pytest takes what is called so for tests

    def __init__(
        self,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        enable_logging: bool = False,
        set_as_current: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(name or "celery.tests", set_as_current=set_as_current, **options)
        self.enable_logging = enable_logging
        self.add_defaults({**DEFAULT_TEST_CONFIG, **(config or {})})


class Trap:
    """Stands for the current app, and raises ``RuntimeError`` in what asks it for anything."""

    def __getattr__(self, name: str) -> Any:
        if name in ("_is_coroutine", "__func__"):  # mocks look for them
            return None
        raise RuntimeError("Test depends on current_app")


@contextmanager
def set_trap(app: Umbel) -> Iterator[None]:
    """During the block nobody finds a current app: only who is handed ``app`` has one."""
    with ambient.restored():
        ambient.set_current(Trap())  # type: ignore[arg-type]  # that is what a trap is for
        yield


@contextmanager
def setup_default_app(app: Umbel, use_trap: bool = False) -> Iterator[None]:
    """At the end of the block ``app`` is closed and the current app is again that of before."""
    with ambient.restored():
        try:
            if use_trap:
                with set_trap(app):
                    yield
            else:
                yield
        finally:
            app.close()


@contextmanager
def app_for_tests(
    config: Mapping[str, Any], parameters: Mapping[str, Any], *, enable_logging: bool, use_trap: bool
) -> Iterator[Umbel]:
    """What ``celery_app`` is: a ``TestApp`` whose messages and results no other test sees."""
    with memory_of_its_own() as url:
        settings = {"broker_url": url, "result_backend": url, **config}
        app = TestApp(config=settings, enable_logging=enable_logging, **parameters)
        with setup_default_app(app, use_trap=use_trap):
            yield app


@contextmanager
def current_app_with(settings: Mapping[str, Any]) -> Iterator[Umbel]:
    """The current app with other settings; a default one where none was made."""
    app = get_current_app()
    with app.conf.overridden(settings):
        yield app


__getattr__ = offered.names_not_in(__name__)
