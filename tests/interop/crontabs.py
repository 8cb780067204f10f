"""Run by a real Celery: when are these crontabs due after these moments? JSON in on stdin, JSON out."""

import json
import sys
from datetime import datetime

from celery import Celery  # type: ignore[import-not-found]  # a dependency of the other environment
from celery.schedules import crontab  # type: ignore[import-not-found]

app = Celery("crontabs", broker="memory://", timezone="UTC")
answers = []
for fields, after in json.load(sys.stdin):
    try:
        last, delta, _ = crontab(*fields, app=app).remaining_delta(datetime.fromisoformat(after))
        answers.append((last + delta).isoformat())
    except ValueError:
        answers.append(None)
json.dump(answers, sys.stdout)
