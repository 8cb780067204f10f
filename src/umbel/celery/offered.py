"""Celery's names that Umbel has not: importing one says so, and where to read what to do. Holds no code of them."""

from collections.abc import Callable
from typing import Any

PAGE = "docs/celery.md"

ABSENT = {
    "umbel.celery": {"SERIES", "bugreport", "maybe_patch_concurrency"},
    "umbel.celery.app": {
        "AppPickler",
        "bugreport",
        "default_app",
        "disable_trace",
        "enable_trace",
        "pop_current_task",
        "push_current_task",
    },
    "umbel.celery.beat": {
        "BeatPidbox",
        "EmbeddedService",
        "PersistentScheduler",
        "ScheduleEntry",
        "Scheduler",
        "SchedulingError",
        "Service",
    },
    "umbel.celery.exceptions": {
        "CDeprecationWarning",
        "CPendingDeprecationWarning",
        "CeleryCommandException",
        "DuplicateNodenameWarning",
        "FixupWarning",
        "WorkerShutdown",
        "WorkerTerminate",
        "reraise",
    },
    "umbel.celery.kombu": {"Connection", "Consumer", "Producer", "binding", "parse_url"},
    "umbel.celery.kombu.common": {"drain_consumer", "maybe_declare", "uuid"},
    "umbel.celery.kombu.serialization": {"disable_insecure_serializers", "enable_insecure_serializers", "registry"},
    "umbel.celery.platforms": {
        "DaemonContext",
        "LockFailed",
        "Pidfile",
        "close_open_fds",
        "create_pidlock",
        "detached",
        "fd_by_path",
        "get_fdmax",
        "ignore_errno",
        "initgroups",
        "isatty",
        "maybe_drop_privileges",
        "parse_gid",
        "parse_uid",
        "pyimplementation",
        "set_mp_process_title",
        "set_process_title",
        "setgid",
        "setgroups",
        "setuid",
        "signal_name",
        "signals",
    },
    "umbel.celery.result": {"ResultBase"},
    "umbel.celery.schedules": {"BaseSchedule", "crontab_parser", "maybe_schedule"},
    "umbel.celery.utils": {
        "LOG_LEVELS",
        "cached_property",
        "chunks",
        "gen_task_name",
        "get_cls_by_name",
        "get_full_cls_name",
        "import_from_cwd",
        "instantiate",
        "memoize",
        "noop",
        "worker_direct",
    },
    "umbel.celery.utils.log": {
        "ColorFormatter",
        "LOG_LEVELS",
        "LoggingProxy",
        "get_multiprocessing_logger",
        "in_sighandler",
        "mlevel",
        "reset_multiprocessing_logger",
        "set_in_sighandler",
    },
    "umbel.celery.utils.nodenames": {"anon_nodename", "host_format", "node_format", "worker_direct"},
}


def names_not_in(module: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for ``module``: ``ImportError`` for a name of Celery's, ``AttributeError`` for any other."""
    absent = ABSENT[module]

    def missing(name: str) -> Any:
        if name in absent:
            raise ImportError(f"{module}.{name} is not offered by Umbel; what is, and what to use instead: {PAGE}")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return missing
