"""Celery in its solo pool: one process that fetches and runs in turns, without a child. Otherwise as ``celery.py``.

Nothing is sent between processes, so no-ops go faster; nobody can end a task that hangs.
"""

from peers import celery
from peers.celery import result, send

__all__ = ["result", "send", "worker"]


def worker() -> list[str]:
    return celery.worker(pool="solo")
