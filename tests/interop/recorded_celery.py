"""The recorded program under a real Celery; runs in an environment of ``environments``."""

import json
import os

from celery import Celery, signals  # type: ignore[import-not-found]  # a dependency of the other environment
from celery.exceptions import Ignore, Reject  # type: ignore[import-not-found]

from tests.interop.recorded import define

app = Celery("recorded")
app.conf.update(json.loads(os.environ["INTEROP_SETTINGS"]))
define(app, signals, expected=(Ignore, Reject))
