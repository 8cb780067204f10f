"""Celery's ``utils.abstract``: what a task and a signature are. A door: it only re-exports."""

from umbel.app.signature import Signature as CallableSignature
from umbel.app.task import Task as CallableTask

__all__ = ["CallableSignature", "CallableTask"]
