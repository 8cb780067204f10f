"""Celery's ``apps``: its programs as objects."""
