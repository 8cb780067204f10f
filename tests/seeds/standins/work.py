"""An application as the second document wants it, and tasks to see that. Becomes ``work.py`` of its project.

The options of ``fetch`` and ``storm`` are those of the document: the test puts them into ``retries.py``.
"""

import os
import time
from typing import Any

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import task_failure
from retries import OPTIONS
from standins import note, noted, wait_for

app = Celery("work")
app.config_from_object("settings")


@app.task
def meet(number: int) -> None:
    note("arrived", number, os.getpid())
    wait_for("all-there")
    note("left", number)


@app.task(name="email.welcome", bind=True)
def welcome(self: Any) -> None:
    note("welcome", self.request.delivery_info["routing_key"])


@app.task(**OPTIONS)
def fetch() -> None:
    note("fetch")
    if noted("fetch") == 1:
        raise TimeoutError("nobody answers")
    note("fetched")


@app.task(**{**OPTIONS, "max_retries": None})
def storm() -> None:
    raise ConnectionError("again")


@app.task(soft_time_limit=0.3, time_limit=60)
def tidy() -> None:
    try:
        time.sleep(60)  # noqa: TID251  the limit ends it
    except SoftTimeLimitExceeded:
        note("tidied")


@app.task(soft_time_limit=None, time_limit=0.3)
def endless() -> None:
    time.sleep(60)  # noqa: TID251  the limit ends it


@task_failure.connect
def failed(sender: Any, exception: Exception, **about: Any) -> None:
    note("failed", sender.name, type(exception).__name__)
