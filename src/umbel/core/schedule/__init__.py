"""When something is due, again and again. Pure: the time is passed in, and nothing here waits, stores or sends."""

from umbel.core.schedule.base import Schedule, schedstate
from umbel.core.schedule.cron import crontab
from umbel.core.schedule.form import from_plain, make_schedule, to_plain
from umbel.core.schedule.interval import clocked, schedule
from umbel.core.schedule.sun import solar

__all__ = [
    "Schedule",
    "clocked",
    "crontab",
    "from_plain",
    "make_schedule",
    "schedstate",
    "schedule",
    "solar",
    "to_plain",
]
