"""Fixtures and the marker of Celery's pytest plugin, under its names. Loads nothing of Umbel until one is used.

PYTEST_DONT_REWRITE: there is no assertion here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

import pytest

from umbel_pytest import apply_alone

MARKER = "celery(**settings): settings of celery_app for this test, over those of celery_config"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test that asks for ``celery_config`` and for no app means the current one."""
    apply_alone(item, "celery_config", "celery_app", "celery_session_app")


# What is there to be overridden ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def celery_config() -> Mapping[str, Any]:
    """Settings of the app. Override it."""
    return {}


@pytest.fixture(scope="session")
def celery_parameters() -> Mapping[str, Any]:
    """Keywords with which the app is made: ``Celery(**celery_parameters)``. Override it."""
    return {}


@pytest.fixture(scope="session")
def celery_enable_logging() -> bool:
    """Whether a worker writes a log. Override it."""
    return False


@pytest.fixture(scope="session")
def use_celery_app_trap() -> bool:
    """Whether to raise in what looks for a current app instead of being handed one. Override it."""
    return False


@pytest.fixture(scope="session")
def celery_includes() -> Sequence[str]:
    """Modules that are imported before a worker starts. Override it."""
    return ()


@pytest.fixture(scope="session")
def celery_class_tasks() -> Sequence[Any]:
    """Task classes that are registered before the worker of the session starts. Override it."""
    return ()


@pytest.fixture(scope="session")
def celery_worker_pool() -> str:
    """The lane of a worker. Override it."""
    return "solo"


@pytest.fixture(scope="session")
def celery_worker_parameters() -> Mapping[str, Any]:
    """Options of a worker: ``start_worker(**celery_worker_parameters)``. Override it."""
    return {}


# Apps -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def celery_session_app(
    request: pytest.FixtureRequest,
    celery_config: Mapping[str, Any],
    celery_parameters: Mapping[str, Any],
    celery_enable_logging: bool,
    use_celery_app_trap: bool,
) -> Iterator[Any]:
    """One app for all tests, the current one from then on."""
    with _app(request, celery_config, celery_parameters, celery_enable_logging, use_celery_app_trap) as app:
        if not use_celery_app_trap:
            app.set_current()
        yield app


@pytest.fixture
def celery_app(
    request: pytest.FixtureRequest,
    celery_config: Mapping[str, Any],
    celery_parameters: Mapping[str, Any],
    celery_enable_logging: bool,
    use_celery_app_trap: bool,
) -> Iterator[Any]:
    """An app for this test. It is current only with a worker, or with ``depends_on_current_app``."""
    with _app(request, celery_config, celery_parameters, celery_enable_logging, use_celery_app_trap) as app:
        yield app


@pytest.fixture
def depends_on_current_app(celery_app: Any) -> None:
    """``celery_app`` is the current app."""
    celery_app.set_current()


@pytest.fixture
def celery_config_applied(celery_config: Mapping[str, Any]) -> Iterator[None]:
    """The current app has the settings of ``celery_config`` during the test."""
    with _testing("app").current_app_with(celery_config):
        yield


def _app(
    request: pytest.FixtureRequest,
    config: Mapping[str, Any],
    parameters: Mapping[str, Any],
    enable_logging: bool,
    use_trap: bool,
) -> AbstractContextManager[Any]:
    mark = request.node.get_closest_marker("celery")
    made: AbstractContextManager[Any] = _testing("app").app_for_tests(
        {**config, **(mark.kwargs if mark else {})}, parameters, enable_logging=enable_logging, use_trap=use_trap
    )
    return made


# Workers --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def celery_session_worker(
    celery_session_app: Any,
    celery_includes: Sequence[str],
    celery_class_tasks: Sequence[Any],
    celery_worker_pool: str,
    celery_worker_parameters: Mapping[str, Any],
) -> Iterator[Any]:
    """One worker for all tests, of ``celery_session_app``."""
    for task in celery_class_tasks:
        celery_session_app.register_task(task)
    with _worker(celery_session_app, celery_includes, celery_worker_pool, celery_worker_parameters) as worker:
        yield worker


@pytest.fixture
def celery_worker(
    celery_app: Any,
    celery_includes: Sequence[str],
    celery_worker_pool: str,
    celery_worker_parameters: Mapping[str, Any],
) -> Iterator[Any]:
    """A worker of ``celery_app`` beside the test."""
    with _worker(celery_app, celery_includes, celery_worker_pool, celery_worker_parameters) as worker:
        yield worker


def _worker(app: Any, includes: Sequence[str], pool: str, parameters: Mapping[str, Any]) -> AbstractContextManager[Any]:
    for module in includes:
        import_module(module)
    made: AbstractContextManager[Any] = _testing("worker").start_worker(app, **{"pool": pool, **parameters})
    return made


def _testing(module: str) -> Any:
    return import_module(f"umbel.celery.contrib.testing.{module}")
