"""billiard's ``exceptions``: Umbel's errors. A door: it only re-exports."""

from umbel.celery import offered
from umbel.core.errors import SoftTimeLimitExceeded, Terminated, TimeLimitExceeded, WorkerLostError

__all__ = ["SoftTimeLimitExceeded", "Terminated", "TimeLimitExceeded", "WorkerLostError"]

__getattr__ = offered.names_not_in(__name__)
