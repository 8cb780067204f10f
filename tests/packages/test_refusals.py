"""What is wrong is refused where a real Celery is installed too, and where Celery refuses it, for Celery's reason."""

import re
from pathlib import Path

from tests.packages.test_commands import say

MIXED = """\
from celery import Celery
from celery.exceptions import ImproperlyConfigured

for settings in (
    {"task_serializer": "json", "CELERY_RESULT_BACKEND": "rpc"},
    {"CELERY_TASK_SERIALIZER": "json", "CELERYD_CONCURRENCY": 2, "result_backend": "rpc"},
    {"CELERY_TASK_SERIALIZER": "json", "CELERYD_CONCURRENCY": 2},
    {"task_serializer": "json", "CELERY_TASK_SERIALIZER": "pickle"},
):
    app = Celery("settings", set_as_current=False)
    app.config_from_object(settings)
    try:
        print(app.conf.task_serializer, app.conf.worker_concurrency)
    except ImproperlyConfigured as error:
        print("ImproperlyConfigured", *str(error).split())
"""
LATE = """\
import {first}, umbel
try:
    umbel.install_as_celery()
except ImportError as error:
    print(error)
import celery
print(celery.__file__)
"""
MISSING = "try:\n    {}\nexcept ImportError as error:\n    print(error)"


def verdicts(said: str) -> list[list[str]]:
    """By case: what was read, or the error with the settings that are to be renamed."""
    lines = [line for line in said.splitlines() if line]
    return [[line.split()[0], *re.findall(r"\S+ +-> +\S+", line)] for line in lines]


def test_old_and_new_names_of_settings_are_refused_where_celery_refuses_them(tmp_path: Path) -> None:
    umbels, celerys = (say(tmp_path, "python", "-c", MIXED, alias=alias) for alias in (True, False))
    assert verdicts(umbels) == verdicts(celerys)
    assert [verdict[0] for verdict in verdicts(umbels)] == ["ImproperlyConfigured"] * 2 + ["json"] * 2
    assert "mixes old and new names of settings" in umbels


def test_a_real_celery_that_came_first_is_left_alone_and_the_order_is_told(tmp_path: Path) -> None:
    told, file = say(tmp_path, "python", "-c", LATE.format(first="celery.result"), alias=False).splitlines()
    assert told == (
        "celery was imported before umbel.install_as_celery(): call install_as_celery() first, ahead of every "
        "import of celery or kombu, or set UMBEL_AS_CELERY=1"
    )
    assert "/umbel/" not in file, "the program goes on with what it had"


def test_what_is_not_offered_is_never_taken_from_the_real_celery(tmp_path: Path) -> None:
    for statement in ("import celery.backends.cassandra", "from kombu.transport import SQS"):
        told = say(tmp_path, "python", "-c", MISSING.format(statement))
        assert "is not offered by Umbel; what is, and what to use instead: docs/celery.md" in told
