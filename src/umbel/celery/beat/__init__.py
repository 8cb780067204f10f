"""Celery's ``beat``: schedulers in Celery's shape, for subclasses. Umbel's own beat (``umbel.beat``) is another one.

A subclass that ``beat_scheduler`` or ``-S`` names is driven by Umbel's beat as Celery's drives it: ``tick``, a rest,
and ``sync`` now and then. ``celery.beat:PersistentScheduler`` in a setting means Umbel's own, which takes its place.
"""

from umbel.celery import offered
from umbel.celery.beat.entries import BeatLazyFunc, ScheduleEntry, SchedulingError
from umbel.celery.beat.persistent import PersistentScheduler
from umbel.celery.beat.schedulers import DEFAULT_MAX_INTERVAL, Scheduler, event_t
from umbel.celery.beat.service import Service

__all__ = [
    "DEFAULT_MAX_INTERVAL",
    "BeatLazyFunc",
    "PersistentScheduler",
    "ScheduleEntry",
    "Scheduler",
    "SchedulingError",
    "Service",
    "event_t",
]

__getattr__ = offered.names_not_in(__name__)
