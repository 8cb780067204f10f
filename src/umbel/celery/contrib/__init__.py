"""Celery's ``contrib``: what is beside the core."""
