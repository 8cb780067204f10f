"""The subjects under a real Celery; runs in an environment of ``environments``."""

import json
import os

from celery import Celery  # type: ignore[import-not-found]  # a dependency of the other environment

from tests.interop.subjects import define

app = define(Celery("interop"))
app.conf.update(json.loads(os.environ["INTEROP_SETTINGS"]))
