"""Tasks that are not queued twice, with each of the two packages for it."""

import os
import time
from pathlib import Path

from celery import Celery
from celery_once import QueueOnce
from celery_singleton import Singleton

app = Celery("once")
app.conf.ONCE = {
    "backend": "celery_once.backends.Redis",
    "settings": {"url": os.environ["CELERY_BROKER_URL"], "default_timeout": 60},
}


def wait_for(name):
    while not Path(name).exists():
        time.sleep(0.01)


@app.task(base=Singleton)
def alone(number):
    wait_for("alone")
    return number


@app.task(base=Singleton, unique_on=["account"], raise_on_duplicate=True, lock_expiry=60)
def per_account(account, amount):
    wait_for("per-account")
    return amount


@app.task(base=QueueOnce, once={"graceful": False})
def unique(number):
    wait_for("unique")
    return number


@app.task(base=QueueOnce, once={"graceful": True, "keys": ["key"]})
def graceful(key, other):
    wait_for("graceful")
    return other
