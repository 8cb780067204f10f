"""Names and defaults of settings beside those of a real Celery."""

import json
import subprocess
from typing import Any

import pytest

from tests.interop.environments import VERSIONS, need
from umbel.app.settings import OLD, Settings, table

ASK = """
import json
from celery.app.defaults import DEFAULTS, _TO_NEW_KEY
print(json.dumps([_TO_NEW_KEY, DEFAULTS], default=lambda value: getattr(value, "total_seconds", lambda: None)()))
"""
OTHERWISE = {
    "broker_connection_retry_on_startup": "None there means True, and a warning",
    "redis_socket_timeout": "120 s there; None here means 30 s",
    "control_queue_exclusive": "False in 5.6, True since",
    "event_queue_exclusive": "False in 5.6, True since",
    "worker_pool_start_method": "fork there; forkserver here forks too, from a process without threads",
}
"""Defaults that differ from one of the releases, and why."""


@pytest.fixture(params=VERSIONS)
def celery(request: pytest.FixtureRequest) -> tuple[dict[str, str], dict[str, Any]]:
    """Old names to new ones, and the defaults."""
    said = subprocess.run([need(request.param), "-c", ASK], capture_output=True, check=True, text=True).stdout
    names, defaults = json.loads(said)
    return names, defaults


def test_old_names_stand_for_what_they_stand_for_there(celery: tuple[dict[str, str], dict[str, Any]]) -> None:
    assert {old: new for old, new in celery[0].items() if OLD.get(old) != new} == {}


def test_every_setting_there_is_known_here(celery: tuple[dict[str, str], dict[str, Any]]) -> None:
    assert sorted(celery[1].keys() - Settings.TABLE.keys()) == []


def test_celerys_defaults_are_celerys(celery: tuple[dict[str, str], dict[str, Any]]) -> None:
    ours = json.loads(json.dumps(dict(table("celery"))))
    differ = {name: (value, ours[name]) for name, value in celery[1].items() if ours[name] != value}
    assert differ.keys() <= OTHERWISE.keys(), differ
