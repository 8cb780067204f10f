"""Celery's ``concurrency``: Umbel's lanes are its own, so that none of its names is here."""

from umbel.celery import offered

__getattr__ = offered.names_not_in(__name__)
