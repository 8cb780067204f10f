"""The schedule file before a beat uses it: Celery's is taken over, a damaged one is kept aside. Decides by looking."""

import logging
from collections.abc import Mapping
from pathlib import Path

from umbel.app.application import Umbel
from umbel.app.timetables import store_url
from umbel.beat import shelf
from umbel.core.timetable import Mark
from umbel.drivers.sqlite import is_damaged, parse_url

logger = logging.getLogger("umbel.beat")


def prepare(app: Umbel) -> Mapping[str, Mark]:
    """Make the schedule file one that can be used, and return when Celery's beat called what last.

    Where the schedules are in the broker, a ``celerybeat-schedule`` in the working folder is read and left alone.
    """
    url = store_url(app)
    if url is None:
        path = Path(app.conf.beat_schedule_filename)
        return shelf.read(path) if shelf.is_celerys(path) else {}
    if not url.startswith("sqlite:"):
        return {}
    path = Path(parse_url(url)[0])
    if shelf.is_celerys(path):
        found = shelf.read(path)
        logger.warning("Celery's schedule file is kept as %s", shelf.put_aside(path, "celery"))
        return found
    if path.exists() and is_damaged(path):
        aside = shelf.put_aside(path, "damaged")
        logger.error("The schedule file %s is damaged: it is kept as %s, and what it held is set anew", path, aside)
    return {}
