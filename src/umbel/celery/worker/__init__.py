"""Celery's ``worker``. Its classes are imported when they are asked for."""

from umbel.celery import offered

__getattr__ = offered.names_not_in(__name__, elsewhere={"WorkController": "umbel.worker.controller:Worker"})
