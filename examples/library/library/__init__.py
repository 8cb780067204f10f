"""A lending library that sends letters, shrinks covers and counts loans in the background."""

from library.celery import app

__all__ = ["app"]
