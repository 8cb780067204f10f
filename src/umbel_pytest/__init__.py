"""What pytest loads at every start: fixtures for applications and workers. Loads nothing of Umbel until one is used.

A package of its own beside ``umbel``, because to import that costs a quarter of a second. What a fixture does is in
``umbel.contrib.pytest``. PYTEST_DONT_REWRITE: there is no assertion here.
"""

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import pytest

CELERY = "celery.contrib.pytest"
"""The name under which Celery's fixtures are a plugin, however they came in."""


def pytest_configure(config: pytest.Config) -> None:
    """Where ``celery`` means Umbel, have Celery's fixtures too, unless somebody asked for them already."""
    plugins = config.pluginmanager
    if _is_celery() and not any(plugins.has_plugin(name) for name in (CELERY, f"umbel.{CELERY}")):
        plugins.register(import_module("umbel_pytest.celery"), CELERY)


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test that asks for ``umbel_config`` and for no app means the current one."""
    apply_alone(item, "umbel_config", "umbel_app")


def apply_alone(item: pytest.Item, config: str, *apps: str) -> None:
    """Have a test that asks for this configuration, and for none of these apps, run with it."""
    names: list[str] = getattr(item, "fixturenames", [])
    if config in names and not any(app in names for app in apps):
        names.insert(0, f"{config}_applied")


def _is_celery() -> bool:
    return os.environ.get("UMBEL_AS_CELERY") == "1" or import_module("umbel_as_celery").installed()


def _umbel() -> Any:
    return import_module("umbel.contrib.pytest")


@pytest.fixture(scope="session")
def umbel_config() -> Mapping[str, Any]:
    """Settings of ``umbel_app``, or of the current application. Override it."""
    return {}


@pytest.fixture
def umbel_app(umbel_config: Mapping[str, Any]) -> Iterator[Any]:
    """A new application in memory, current during the test: what was shared is one of its tasks."""
    with _umbel().app_in_memory(umbel_config) as app:
        yield app


@pytest.fixture
def umbel_worker(umbel_app: Any) -> Iterator[Any]:
    """A worker of ``umbel_app`` in this process, beside the test."""
    with umbel_app.Worker(pool="solo") as worker:
        yield worker


@pytest.fixture
def umbel_config_applied(umbel_config: Mapping[str, Any]) -> Iterator[None]:
    """The current application has the settings of ``umbel_config`` during the test."""
    with _umbel().current_app_with(umbel_config):
        yield
