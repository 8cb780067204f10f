"""Celery's ``bin``: the command ``celery``, which is Umbel's command line under Celery's name."""
