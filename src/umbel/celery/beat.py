"""Celery's ``beat``: the schedule's classes have other shapes in Umbel, so that none is here."""

from umbel.celery import offered

__getattr__ = offered.names_not_in(__name__)
