"""billiard's names that users of Celery import. Under the alias, ``billiard`` is this package; it starts no process."""

from umbel.celery import offered
from umbel.celery.billiard.exceptions import (
    SoftTimeLimitExceeded,
    TimeLimitExceeded,
    WorkerLostError,
)

VERSION = (4, 3, 0)
__version__ = "4.3.0"

__all__ = ["VERSION", "SoftTimeLimitExceeded", "TimeLimitExceeded", "WorkerLostError", "__version__"]

__getattr__ = offered.names_not_in(
    __name__,
    elsewhere={
        "cpu_count": "os:cpu_count",
        "current_process": "umbel.celery.billiard.process:current_process",
    },
)
