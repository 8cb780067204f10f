"""Results in Django's database, by the backend of django-celery-results."""

import os
from pathlib import Path

import django
from celery import Celery, chord
from django.conf import settings

settings.configure(
    SECRET_KEY="not one",
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.contenttypes", "django_celery_results"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(os.environ["LEDGER"] + ".sqlite3")}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
app = Celery("stored", backend="django_celery_results.backends.database:DatabaseBackend")
app.conf.update(result_extended=True, task_track_started=True)


@app.task
def weigh(thing):
    return {"thing": thing, "grams": 10 * len(thing)}


@app.task
def drop(thing):
    raise ValueError(f"{thing} broke")


@app.task
def total(things):
    return sum(thing["grams"] for thing in things)


def rows():
    """What the database says of each task."""
    from django_celery_results.models import TaskResult

    return {row.task_id: [row.status, row.task_name, row.result] for row in TaskResult.objects.all()}


def balance():
    """A chord whose parts the database counts."""
    return chord([weigh.s("fig"), weigh.s("plum")], total.s())()
