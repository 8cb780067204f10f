"""Celery's names: what ``from celery import ...`` gives, over Umbel's own code. Native programs never load it."""

from umbel.app.canvas import chain, chord, chunks, group, xmap, xstarmap
from umbel.app.decorate import shared_task
from umbel.app.signature import Signature, maybe_signature, signature
from umbel.app.task import Task
from umbel.celery import offered
from umbel.celery.app.base import Celery
from umbel.celery.app.current import current_app, current_task
from umbel.celery.utils import uuid
from umbel.celery.version import VERSION, version_info, version_info_t
from umbel.celery.version import VERSION_TEXT as __version__

SERIES = "umbel"
subtask = signature

__all__ = [
    "SERIES",
    "VERSION",
    "Celery",
    "Signature",
    "Task",
    "__version__",
    "chain",
    "chord",
    "chunks",
    "current_app",
    "current_task",
    "group",
    "maybe_signature",
    "shared_task",
    "signature",
    "subtask",
    "uuid",
    "version_info",
    "version_info_t",
    "xmap",
    "xstarmap",
]

__getattr__ = offered.names_not_in(
    __name__,
    elsewhere={
        "bugreport": "umbel.celery.app:bugreport",
        "registry": "umbel.celery.registry",
        **{
            name: f"umbel.celery.{name}"
            for name in ("app", "beat", "canvas", "exceptions", "local", "result", "schedules", "signals", "states")
        },
    },
)
