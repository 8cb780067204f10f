"""Celery's ``schedules``. A door: it only re-exports."""

from umbel.celery import offered
from umbel.core.errors import ParseException
from umbel.core.schedule import crontab, schedstate, schedule, solar

__all__ = ["ParseException", "crontab", "schedstate", "schedule", "solar"]

__getattr__ = offered.names_not_in(__name__)
