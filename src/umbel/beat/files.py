"""The schedule file before a beat uses it: Celery's is taken over, a damaged one is kept aside. Decides by looking."""

import logging
from collections.abc import Mapping
from pathlib import Path

from umbel.app.application import Umbel
from umbel.app.timetables import store_url
from umbel.beat import shelf
from umbel.core.errors import ImproperlyConfigured
from umbel.core.timetable import Mark
from umbel.drivers.sqlite import is_damaged, parse_url

logger = logging.getLogger("umbel.beat")


def prepare(app: Umbel) -> Mapping[str, Mark]:
    """Make the schedule file one that can be used, and return when Celery's beat called what last.

    Raises ``ImproperlyConfigured`` for a text of somebody's, which a slip of the fingers named in its place.
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
        if _is_text(path):
            raise ImproperlyConfigured(f"{path} is a text, and no schedule file: name another one, or none that exists")
        aside = shelf.put_aside(path, "damaged")
        logger.error("The schedule file %s is damaged: it is kept as %s, and what it held is set anew", path, aside)
    return {}


def _is_text(path: Path) -> bool:
    """Whether somebody wrote this: lines of text, and no damage makes a database into those."""
    with path.open("rb") as file:
        head = file.read(4096)
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else a character was cut in its middle
            return False
    return b"\n" in head and b"\0" not in head
