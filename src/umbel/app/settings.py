"""Every setting: its name, type, two defaults, unit and meaning, in one table. Holds no values and reads no sources.

A setting of a later release is in the table as ``later``: it can be read, and set to what it is anyway; setting it to
anything else is an error that says so, because a setting that is read and ignored is worse than none.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Generic, Literal, TypeVar, overload

from umbel.app import parse
from umbel.core.errors import ImproperlyConfigured

T = TypeVar("T")
Defaults = Literal["umbel", "celery"]

Numbers = int | float
Seconds = float
Times = float | timedelta


class Setting(Generic[T]):
    """One row of the table: a descriptor that reads and assigns through ``Values``."""

    def __init__(
        self,
        parse: Callable[[Any], T],
        umbel: Any,
        doc: str,
        *,
        celery: Any = ...,
        environ: tuple[str, ...] = (),
        built: bool = True,
    ) -> None:
        self.name = ""
        self.parse = parse
        self.doc = doc
        self.environ = environ
        self.built = built
        self._umbel = umbel
        self._celery: T = umbel if celery is ... else celery

    def __set_name__(self, owner: "type[Settings]", name: str) -> None:
        self.name = name
        owner.TABLE[name] = self

    def default(self, defaults: Defaults) -> T:
        """The value where nobody sets one."""
        value = self._umbel if defaults == "umbel" else self._celery
        return value.copy() if isinstance(value, dict) else value  # type: ignore[return-value]

    def check(self, value: object) -> T:
        """``value`` as the setting's type, or ``ImproperlyConfigured``."""
        try:
            parsed = self.parse(value)
        except (TypeError, ValueError) as error:
            raise ImproperlyConfigured(f"setting {self.name} = {value!r}: {error}") from None
        if not self.built and parsed != self._umbel and parsed != self._celery:
            raise ImproperlyConfigured(f"setting {self.name} = {value!r}: this setting is not built yet; leave it out")
        return parsed

    @overload
    def __get__(self, values: None, owner: type) -> "Setting[T]": ...
    @overload
    def __get__(self, values: "Settings", owner: type) -> T: ...
    def __get__(self, values: "Settings | None", owner: type) -> "Setting[T] | T":
        if values is None:
            return self
        value: T = values.value(self.name)
        return value

    def __set__(self, values: "Settings", value: object) -> None:
        values.assign(self.name, value)


def later(umbel: Any, doc: str = "", *, celery: Any = ...) -> Setting[Any]:
    """A setting that a later release builds."""
    return Setting(lambda value: value, umbel, doc, celery=celery, built=False)


DAY = 86400.0
Flag = Setting[bool]
Text = Setting[str | None]

_flag, _text, _names, _table = parse.flag, parse.text, parse.names, parse.table
_seconds, _count, _anything = parse.seconds, parse.count, parse.anything
_maybe = parse.maybe


class Settings:
    """The table. ``app.conf`` is one of these, with values."""

    TABLE: ClassVar[dict[str, Setting[Any]]] = {}

    def value(self, name: str) -> Any:
        """The value in force."""
        raise NotImplementedError

    def assign(self, name: str, value: object) -> None:
        """Set a value."""
        raise NotImplementedError

    # General and time -------------------------------------------------------------------------------------------------

    accept_content = Setting(_names, ("json",), "Content types that are decoded, by name or MIME type.")
    result_accept_content = Setting(_maybe(_names), None, "The same for results; None: as accept_content.", built=False)
    enable_utc = Setting(_flag, True, "Send times in UTC.")
    timezone = Setting(_maybe(parse.zone), None, "Zone of times without one. None: UTC, or local without enable_utc.")
    imports = Setting(_names, (), "Modules that a worker imports when it starts.")
    include = Setting(_names, (), "More of them, in addition to imports.")

    # Tasks ------------------------------------------------------------------------------------------------------------

    task_acks_late = Setting(_flag, True, "Forget a message when its task has ended, not when it starts.", celery=False)
    task_acks_on_failure_or_timeout = Setting(_flag, True, "Forget the message also when the task failed.")
    task_acks_on_failure = Setting(_maybe(_flag), None, "The same for exceptions; None: as the combined setting.")
    task_acks_on_timeout = Setting(_maybe(_flag), None, "The same for time limits; None: as the combined setting.")
    task_always_eager = Setting(_flag, False, "Run tasks in the caller, at once.")
    task_annotations = Setting(
        _anything, None, "Attributes set on tasks: by name, '*' for all; or objects that annotate()."
    )
    task_create_missing_queues = Setting(_flag, True, "Accept queues that task_queues does not name.")
    task_default_delivery_mode = Setting(parse.delivery_mode, 2, "AMQP delivery mode: 2 persistent, 1 transient.")
    task_default_exchange = Setting(_maybe(_text), None, "Exchange of the default queue; None: named as the queue.")
    task_default_exchange_type = Setting(_text, "direct", "Type of that exchange.")
    task_default_priority = Setting(_maybe(parse.priority), None, "0 (last) to 9 (first).")
    task_default_queue = Setting(_text, "celery", "Queue of tasks that are routed nowhere else.")
    task_default_rate_limit = Setting(parse.rate, None, "Starts allowed: '10/s', '5/m', '1/h', or a number per second.")
    task_default_routing_key = Setting(_maybe(_text), None, "Routing key of the default queue; None: as the queue.")
    task_eager_propagates = Setting(_flag, False, "Eager tasks raise in the caller.")
    task_ignore_result = Setting(_flag, False, "Store no results.")
    task_inherit_parent_priority = Setting(_flag, False, "Tasks called by a task get its priority.")
    task_keep_failed = Setting(
        _maybe(_seconds), 7 * DAY, "Seconds that failed messages are kept as dead letters; 0: not."
    )
    task_max_deliveries = Setting(
        _maybe(_count), 5, "Workers that a message may cost before it is buried; None: any number."
    )
    task_max_payload = Setting(
        _maybe(_count), 256 * 1024, "Bytes of encoded arguments that are accepted; None: any.", celery=None
    )
    task_protocol = Setting(parse.choice(2), 2, "Version of the message format.")
    task_publish_retry = Setting(_flag, True, "Publish again when the broker fails.")
    task_publish_retry_policy = Setting(
        _table,
        {"max_retries": 3, "interval_start": 0, "interval_max": 1, "interval_step": 0.2},
        "How: max_retries, interval_start, interval_step, interval_max in seconds; within broker_publish_timeout.",
    )
    task_queues = Setting(_anything, None, "Declared queues: names, Queue objects, or a dict. None: the default queue.")
    task_reject_on_worker_lost = Setting(
        _maybe(_flag), True, "Run a late-acknowledged task again when its process died.", celery=None
    )
    task_routes = Setting(_anything, None, "Where tasks go: a dict by name or pattern, a function, or a list of these.")
    task_serializer = Setting(_text, "json", "How arguments are encoded.")
    task_soft_time_limit = Setting(_maybe(_seconds), None, "Seconds until a task gets SoftTimeLimitExceeded.")
    task_store_eager_result = Setting(_flag, False, "Store results of eager tasks too.")
    task_store_errors_even_if_ignored = Setting(_flag, False, "Store failures of tasks whose results are ignored.")
    task_time_limit = Setting(_maybe(_seconds), None, "Seconds until a task is ended.")
    task_track_started = Setting(_flag, False, "Store STARTED when a task starts.")
    task_unknown_grace = Setting(
        _seconds, 600.0, "Seconds that a message of an unknown task waits for one who knows it."
    )
    task_allow_error_cb_on_chord_header = later(False)
    task_compression = later(None)
    task_create_missing_queue_exchange_type = later(None)
    task_create_missing_queue_type = later("classic")
    task_default_queue_type = later("classic")
    task_queue_max_priority = later(None)
    task_remote_tracebacks = later(False)
    task_repr_maxlevels = later(3)
    task_retry_on_worker_lost = later(False)
    task_send_sent_event = later(False)

    # Broker -----------------------------------------------------------------------------------------------------------

    broker_url = Setting(
        _maybe(_text),
        None,
        "Where messages go. None: the file umbel.db beside the app's top package.",
        environ=("UMBEL_BROKER_URL", "CELERY_BROKER_URL"),
    )
    broker_connection_max_retries = Setting(
        _maybe(_count), 100, "Attempts to reach the broker again; None or 0: for ever.", built=False
    )
    broker_connection_retry = Setting(_flag, True, "Reconnect when the connection is lost.", built=False)
    broker_connection_retry_on_startup = Setting(_flag, True, "Wait for the broker when a worker starts.")
    broker_connection_timeout = Setting(_seconds, 4.0, "Seconds until an attempt to connect is given up.", built=False)
    broker_publish_timeout = Setting(
        _seconds, 5.0, "Seconds until delay() returns or raises, whatever the broker does."
    )
    broker_transport_options = Setting(_table, {}, "Options of the broker's adapter.")
    broker_channel_error_retry = later(False)
    broker_failover_strategy = later(None)
    broker_heartbeat = later(120)
    broker_login_method = later(None)
    broker_native_delayed_delivery_queue_type = later("quorum")
    broker_pool_acquire_timeout = later(None)
    broker_pool_limit = later(10)
    broker_read_url = later(None)
    broker_use_ssl = later(False)
    broker_write_url = later(None)

    # Results ----------------------------------------------------------------------------------------------------------

    result_backend = Setting(
        _maybe(_text),
        None,
        "Where results go. None: to the broker's file if the broker is the embedded default, else nowhere.",
        environ=("UMBEL_RESULT_BACKEND", "CELERY_RESULT_BACKEND"),
    )
    result_backend_transport_options = Setting(_table, {}, "Options of the store's adapter.")
    result_expires = Setting(_maybe(_seconds), DAY, "Seconds that a result is kept; None or 0: for ever.")
    result_extended = Setting(_flag, False, "Store name, args, kwargs, worker, retries and queue with a result.")
    result_max_size = Setting(
        _maybe(_count), 1024 * 1024, "Bytes of a result above which a warning is logged, once per task.", celery=None
    )
    result_serializer = Setting(_text, "json", "How results are encoded.", built=False)
    result_backend_always_retry = later(False)
    result_backend_max_retries = later(float("inf"))
    result_chord_expires = later(None)
    result_chord_join_timeout = later(3.0)
    result_chord_retry_interval = later(1.0)
    result_compression = later(None)
    result_failure_expires = later(None)
    result_persistent = later(None)

    redis_backend_credential_provider = Setting(_anything, None, "Gives user and password of the Redis with results.")
    redis_backend_use_ssl = Setting(_maybe(_table), None, "TLS to the Redis with results: the ssl_* options of a URL.")
    redis_client_name = Setting(_maybe(_text), None, "What CLIENT LIST shows of connections that read results.")
    redis_socket_connect_timeout = Setting(_maybe(_seconds), None, "Seconds to connect to the Redis with results.")
    redis_socket_timeout = Setting(_maybe(_seconds), None, "Seconds to wait for its answers. None: 30.")

    # Worker -----------------------------------------------------------------------------------------------------------

    worker_concurrency = Setting(_maybe(parse.positive), None, "Processes (prefork). None: the CPUs there are.")
    worker_hijack_root_logger = Setting(_flag, True, "Set up the root logger in workers.", built=False)
    worker_lease = Setting(
        parse.more_than_nothing, 30.0, "Seconds after which what a silent process held is taken over."
    )
    worker_log_color = Setting(_maybe(_flag), None, "Colour log lines; None: on a terminal.", built=False)
    worker_log_format = Setting(
        _text,
        "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s",
        "Format of a worker's log lines.",
        built=False,
    )
    worker_task_log_format = Setting(
        _text,
        "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s",
        "Format of log lines of get_task_logger.",
        built=False,
    )
    worker_max_tasks_per_child = Setting(
        _maybe(parse.positive), None, "Tasks after which a process is replaced.", built=False
    )
    worker_pool = Setting(_text, "prefork", "Lane: prefork or solo.")
    worker_pool_start_method = Setting(
        parse.choice("forkserver", "fork", "spawn"), "forkserver", "How processes are started.", built=False
    )
    worker_prefetch_multiplier = Setting(
        _maybe(_count), None, "Cap of the read-ahead: this many messages per slot. None: adaptive; 0: no cap.", celery=4
    )
    worker_rate_limit_scope = Setting(
        parse.choice("cluster", "worker"), "cluster", "Whether rate limits hold across workers.", celery="worker"
    )
    worker_redirect_stdouts = Setting(_flag, True, "Log what tasks print.", built=False)
    worker_redirect_stdouts_level = Setting(parse.level, "WARNING", "At this level.", built=False)
    worker_shutdown_timeout = Setting(
        _maybe(_seconds), 25.0, "Seconds that running tasks get when a worker is told to stop; None: any.", celery=None
    )
    worker_stuck_timeout = Setting(
        _maybe(_seconds),
        None,
        "Seconds without a sign of life after which a busy process is taken for stuck; None: off.",
    )
    worker_autoscaler = later("celery.worker.autoscale:Autoscaler")
    worker_cancel_long_running_tasks_on_connection_loss = later(False)
    worker_deduplicate_successful_tasks = later(False)
    worker_detect_quorum_queues = later(True)
    worker_direct = later(False)
    worker_disable_prefetch = later(False)
    worker_disable_rate_limits = later(False)
    worker_enable_prefetch_count_reduction = later(True)
    worker_enable_remote_control = later(True)
    worker_enable_soft_shutdown_on_idle = later(False)
    worker_eta_task_limit = later(None)
    worker_lost_wait = later(10.0)
    worker_max_memory_per_child = later(None)
    worker_pool_restarts = later(False)
    worker_proc_alive_timeout = later(4.0)
    worker_send_task_events = later(False)
    worker_soft_shutdown_timeout = later(0.0)
    worker_state_db = later(None)


def table(defaults: Defaults) -> Mapping[str, Any]:
    """Every setting's default."""
    return {name: setting.default(defaults) for name, setting in Settings.TABLE.items()}
