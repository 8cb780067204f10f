"""kombu's ``utils.uuid``: ids."""

from umbel.celery.utils import uuid

__all__ = ["uuid"]
