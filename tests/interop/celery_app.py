"""The subjects under a real Celery; runs in an environment of ``environments``."""

import json
import os

from celery import Celery  # type: ignore[import-not-found]  # a dependency of the other environment
from kombu import Queue  # type: ignore[import-not-found]  # likewise
from kombu.common import Broadcast  # type: ignore[import-not-found]  # likewise

from tests.interop.subjects import define

app = define(Celery("interop"))
settings = json.loads(os.environ["INTEROP_SETTINGS"])
if "broadcast" in settings:
    settings["task_queues"] = [
        *[Queue.from_dict(name, **options) for name, options in settings["task_queues"].items()],
        Broadcast(settings.pop("broadcast")),
    ]
app.conf.update(settings)
