"""Celery's ``utils``: ids for tasks."""

from umbel.app import identity
from umbel.celery import offered
from umbel.celery.utils.nodenames import nodename, nodesplit
from umbel.runtime.clock import SYSTEM


def uuid() -> str:
    """A new id for a task."""
    return identity.uuid(SYSTEM.now())


gen_unique_id = uuid

__all__ = ["gen_unique_id", "nodename", "nodesplit", "uuid"]

__getattr__ = offered.names_not_in(__name__)
