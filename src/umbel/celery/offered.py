"""Celery's names that Umbel has not: importing one says so, why, and where to read on. Holds no code of them."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

PAGE = "docs/celery.md"

EVENTS = "task events are not built yet"
REMOTE = "remote control is not built yet"
NO_POOL = "Umbel's processes and lanes are its own"
PROCESSES = "Umbel starts no process by billiard: use multiprocessing"
INSIDE = "it belongs to the inside of Celery or kombu, which Umbel has not"
COMMAND = "the command umbel does it"
STANDARD = "the standard library has it"

ABSENT: dict[str, dict[str, str]] = {
    "umbel.celery": {
        INSIDE: "execute log maybe_patch_concurrency messaging",
    },
    "umbel.celery.app": {
        INSIDE: "AppPickler disable_trace enable_trace pop_current_task push_current_task",
    },
    "umbel.celery.app.trace": {INSIDE: "reset_worker_optimizations setup_worker_optimizations trace_task"},
    "umbel.celery.app.utils": {INSIDE: "filter_hidden_settings", COMMAND: "find_app"},
    "umbel.celery.beat": {REMOTE: "BeatPidbox", COMMAND: "EmbeddedService"},
    "umbel.celery.events": {
        EVENTS: "Event EventDispatcher EventReceiver event_exchange get_exchange group_from",
    },
    "umbel.celery.exceptions": {"umbel.celery.bin.base has commands": "CeleryCommandException"},
    "umbel.celery.platforms": {
        COMMAND: "DaemonContext close_open_fds detached set_mp_process_title set_process_title",
    },
    "umbel.celery.states": {INSIDE: "state"},
    "umbel.celery.app.defaults": {INSIDE: "NAMESPACES Option flatten"},
    "umbel.celery.contrib.migrate": {INSIDE: "start_filter"},
    "umbel.celery.utils.collections": {INSIDE: "BufferMap Evictable LimitedSet Messagebuffer"},
    "umbel.celery.worker.state": {
        "app.workers says what workers do": (
            "Persistent active_requests maybe_shutdown merge_revoked reserved_requests revoked scheduled_requests "
            "task_accepted task_ready task_reserved task_scheduled total_count"
        ),
    },
    "umbel.celery.utils.functional": {INSIDE: "head_from_fun"},
    "umbel.celery.utils.log": {INSIDE: "ColorFormatter get_multiprocessing_logger reset_multiprocessing_logger"},
    "umbel.celery.utils.saferepr": {INSIDE: "reprstream"},
    "umbel.celery.utils.threads": {INSIDE: "bound_open_broker_sockets default_socket_timeout"},
    "umbel.celery.bin.base": {
        "an option of click's, or a type of yours, does it": (
            "CLIContext COMMA_SEPARATED_LIST CeleryDaemonCommand CommaSeparatedList DaemonOption EX_UNAVAILABLE "
            "FORMATTER ISO8601 ISO8601DateTime ISO8601DateTimeOrFloat ISO8601_OR_FLOAT JSON_ARRAY JSON_OBJECT "
            "JsonArray JsonObject LEXER LOG_LEVEL LogLevel consume_preload_options handle_preload_options "
            "handle_remote_command_error highlight"
        ),
    },
    "umbel.celery.contrib.testing.app": {"a worker in a test leaves logging alone": "UnitLogging"},
    "umbel.celery.contrib.testing.manager": {INSIDE: "E_STILL_WAITING humanize_seconds"},
    "umbel.celery.contrib.testing.worker": {"app.Worker() is the class": "TestWorkController"},
    "umbel.celery.security": {"accept_content says what is decoded": "disable_untrusted_serializers"},
    "umbel.celery.concurrency": {NO_POOL: "get_available_pool_names get_implementation"},
    "umbel.celery.kombu": {
        INSIDE: "disable_insecure_serializers enable_insecure_serializers eventloop",
    },
    "umbel.celery.kombu.pools": {INSIDE: "PoolGroup ProducerPool get_limit register_group set_limit"},
    "umbel.celery.kombu.common": {
        INSIDE: "collect_replies drain_consumer eventloop insured itermessages send_reply",
    },
    "umbel.celery.kombu.connection": {INSIDE: "ChannelPool"},
    "umbel.celery.kombu.entity": {INSIDE: "maybe_delivery_mode"},
    "umbel.celery.kombu.exceptions": {
        INSIDE: (
            "BatchPublishError ChannelError ChannelLimitExceeded ConnectionLimitExceeded HttpError InconsistencyError "
            "LimitExceeded NotBoundError ResourceError VersionMismatch reraise"
        ),
    },
    "umbel.celery.kombu.serialization": {
        STANDARD: "pickle",
        "accept_content says what is decoded": "disable_insecure_serializers enable_insecure_serializers registry",
    },
    "umbel.celery.kombu.utils": {
        INSIDE: "EqualityDict emergency_dump_state fileno fxrange fxrangemax maybe_fileno nested register_after_fork",
    },
    "umbel.celery.kombu.utils.json": {
        "messages are written and read in one way": "EncodedT JSONEncoder T object_hook textual_types",
    },
    "umbel.celery.kombu.utils.encoding": {
        INSIDE: "default_encoding_file get_default_encoding_file set_default_encoding_file",
    },
    "umbel.celery.billiard": {
        PROCESSES: (
            "Array AuthenticationError Barrier BoundedSemaphore BufferTooShort Condition Event JoinableQueue Lock "
            "Manager Pipe Pool Process ProcessError Queue RLock RawArray RawValue Semaphore SimpleQueue TimeoutError "
            "Value "
            "active_children allow_connection_pickling forking_enable forking_is_enabled freeze_support "
            "get_all_start_methods get_context get_logger get_start_method log_to_stderr set_executable "
            "set_forkserver_preload set_start_method"
        ),
    },
    "umbel.celery.billiard.exceptions": {INSIDE: "CoroStop RestartFreqExceeded"},
    "umbel.celery.billiard.einfo": {STANDARD: "Traceback"},
    "umbel.celery.billiard.pool": {
        PROCESSES: (
            "ACK ApplyResult CLOSE DEATH EX_FAILURE EX_OK EX_RECYCLE GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL "
            "GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT IMapIterator IMapUnorderedIterator LOST_WORKER_TIMEOUT "
            "LaxBoundedSemaphore MAXMEM_USED_FMT MapResult MaybeEncodingError NACK PY3 Pool PoolThread READY RUN "
            "ResultHandler Supervisor TASK TERMINATE TIMEOUT_MAX TaskHandler ThreadPool TimeoutHandler WorkersJoined "
            "error job_counter mapstar soft_timeout_sighandler starmapstar stop_if_not_current"
        ),
    },
    "umbel.celery.billiard.process": {PROCESSES: "Process active_children"},
}
"""By module, the names that it has not, by the reason."""

ABSENT_MODULES = {
    "celery.app.annotations": INSIDE,
    "celery.app.autoretry": "the options of a task do it",
    "celery.app.backends": INSIDE,
    "celery.app.builtins": INSIDE,
    "celery.app.events": EVENTS,
    "celery.app.routes": INSIDE,
    "celery.concurrency.base": NO_POOL,
    "celery.events.dispatcher": EVENTS,
    "celery.events.event": EVENTS,
    "celery.events.receiver": EVENTS,
    "celery.events.snapshot": EVENTS,
    "celery.events.state": EVENTS,
    "celery.fixups": INSIDE,
    "celery.utils.debug": INSIDE,
    "celery.utils.deprecated": INSIDE,
    "celery.utils.graph": INSIDE,
    "celery.utils.sysinfo": INSIDE,
    "celery.utils.term": INSIDE,
    "celery.worker.strategy": NO_POOL,
    "kombu.log": STANDARD,
}
"""Modules of Celery's that are not there at all, and why."""


def reasons(module: str) -> dict[str, str]:
    """Why ``module`` has not some of Celery's names, by name."""
    return {name: why for why, names in ABSENT.get(module, {}).items() for name in names.split()}


def names_not_in(module: str, *, elsewhere: Mapping[str, str] = {}) -> Callable[[str], Any]:
    """A ``__getattr__`` for ``module``: ``ImportError`` for a name of Celery's, ``AttributeError`` for any other.

    ``elsewhere``: names that are loaded when they are asked for, from ``"module:name"`` or ``"module"``.
    """

    def missing(name: str) -> Any:
        if name in elsewhere:
            place, _, attribute = elsewhere[name].partition(":")
            found = import_module(place)
            return getattr(found, attribute) if attribute else found
        why = reasons(module).get(name)
        if why is not None:
            raise ImportError(
                f"{module}.{name} is not offered by Umbel; {why}; what is, and what to use instead: {PAGE}"
            )
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return missing
