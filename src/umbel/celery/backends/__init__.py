"""Celery's ``backends``: where results are kept. Umbel's own stores are opened by their URL; this is for subclasses."""

from umbel.celery import offered

__getattr__ = offered.names_not_in(__name__)
