"""Celery's ``contrib.testing``: applications, workers and tasks for tests. Imports no pytest."""
