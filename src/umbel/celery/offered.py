"""Celery's names that Umbel has not: importing one says so, and where to read what to do. Holds no code of them."""

from collections.abc import Callable
from typing import Any

PAGE = "docs/celery.md"

ABSENT = {
    "umbel.celery": {"SERIES", "bugreport", "maybe_patch_concurrency"},
    "umbel.celery.app": {"default_app", "enable_trace", "disable_trace", "push_current_task", "pop_current_task"},
    "umbel.celery.beat": {"PersistentScheduler", "ScheduleEntry", "Scheduler", "Service", "EmbeddedService"},
    "umbel.celery.exceptions": {"CeleryCommandException", "WorkerShutdown", "WorkerTerminate", "reraise"},
    "umbel.celery.kombu": {"binding", "Connection", "Consumer", "Producer", "parse_url"},
    "umbel.celery.kombu.common": {"maybe_declare", "uuid", "drain_consumer"},
    "umbel.celery.kombu.serialization": {"disable_insecure_serializers", "enable_insecure_serializers", "registry"},
    "umbel.celery.platforms": {"DaemonContext", "Pidfile", "create_pidlock", "detached", "signals"},
    "umbel.celery.result": {"ResultBase"},
    "umbel.celery.schedules": {"BaseSchedule", "crontab_parser", "maybe_schedule"},
    "umbel.celery.utils": {"cached_property", "chunks", "gen_task_name", "instantiate", "worker_direct"},
    "umbel.celery.utils.log": {"ColorFormatter", "LoggingProxy", "get_multiprocessing_logger", "mlevel"},
}


def names_not_in(module: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for ``module``: ``ImportError`` for a name of Celery's, ``AttributeError`` for any other."""
    absent = ABSENT[module]

    def missing(name: str) -> Any:
        if name in absent:
            raise ImportError(f"{module}.{name} is not offered by Umbel; what is, and what to use instead: {PAGE}")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return missing
