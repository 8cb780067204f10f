"""Settings of tasks and their messages. Rows of the table, nothing else."""

from umbel.app import parse
from umbel.app.parse import anything, choice, count, flag, maybe, seconds, table, text
from umbel.app.settings.setting import Setting, Values, amqp, later

DAY = 86400.0


class Tasks(Values):
    """Tasks."""

    task_acks_late = Setting(flag, True, "Forget a message when its task has ended, not when it starts.", celery=False)
    task_acks_on_failure_or_timeout = Setting(flag, True, "Forget the message also when the task failed.")
    task_acks_on_failure = Setting(maybe(flag), None, "The same for exceptions; None: as the combined setting.")
    task_acks_on_timeout = Setting(maybe(flag), None, "The same for time limits; None: as the combined setting.")
    task_allow_error_cb_on_chord_header = Setting(
        flag, False, "Error callbacks of a chord are called for its header too."
    )
    task_always_eager = Setting(flag, False, "Run tasks in the caller, at once.")
    task_annotations = Setting(
        parse.annotations, None, "Attributes set on tasks: by name, '*' for all; or objects that annotate()."
    )
    task_compression = Setting(
        maybe(text), None, "How arguments are compressed: zlib, gzip, bzip2, lzma, zstd or brotli."
    )
    task_create_missing_queues = Setting(flag, True, "Accept queues that task_queues does not name.")
    task_create_missing_queue_exchange_type = amqp(None, "Type of the exchange of such queues.")
    task_create_missing_queue_type = amqp("classic", "RabbitMQ's type of such queues.")
    task_default_delivery_mode = Setting(parse.delivery_mode, 2, "AMQP delivery mode: 2 persistent, 1 transient.")
    task_default_exchange = Setting(maybe(text), None, "Exchange of the default queue; None: named as the queue.")
    task_default_exchange_type = Setting(text, "direct", "Type of that exchange.")
    task_default_priority = Setting(maybe(parse.priority), None, "0 (last) to 9 (first).")
    task_default_queue = Setting(text, "celery", "Queue of tasks that are routed nowhere else.")
    task_default_queue_type = amqp("classic", "RabbitMQ's type of the default queue.")
    task_default_rate_limit = Setting(parse.rate, None, "Starts allowed: '10/s', '5/m', '1/h', or a number per second.")
    task_default_routing_key = Setting(maybe(text), None, "Routing key of the default queue; None: as the queue.")
    task_eager_propagates = Setting(flag, False, "Eager tasks raise in the caller.")
    task_eager_strict = Setting(
        flag,
        False,
        "Arguments and results of apply() go through the serializer too, as those of calls under always_eager.",
    )
    task_ignore_result = Setting(flag, False, "Store no results.")
    task_inherit_parent_priority = Setting(flag, False, "Tasks called by a task get its priority.")
    task_keep_failed = Setting(
        maybe(seconds),
        7 * DAY,
        "How long dead letters are kept. 0 or None: a task that failed leaves none, and others are kept for 7 days.",
    )
    task_keep_failed_limit = Setting(count.of("letters"), 10_000, "How many are kept at most; the oldest go.")
    task_max_deliveries = Setting(
        maybe(count.of("workers")), 5, "Workers that a message may cost before it is buried; None: any number."
    )
    task_max_payload = Setting(
        maybe(count.of("bytes")), 256 * 1024, "Most that encoded arguments may be; None: any.", celery=None
    )
    task_max_rest = Setting(
        maybe(count.of("bytes")),
        4096,
        "Most that a message carries of what follows its task (a chord's body counts once for each member); the rest "
        "is kept beside the results, where Celery's workers do not find it. None: messages carry everything.",
        celery=None,
    )
    task_protocol = later(
        2, "Version of the message format: 2, or Celery 3's 1, which is read but not written.", choice(1, 2)
    )
    task_publish_retry = Setting(flag, True, "Publish again when the broker fails.")
    task_publish_retry_policy = Setting(
        table,
        {"max_retries": 3, "interval_start": 0, "interval_max": 1, "interval_step": 0.2},
        "How: max_retries, interval_start, interval_step, interval_max in seconds; within broker_publish_timeout.",
    )
    task_queue_max_priority = amqp(None, "RabbitMQ's highest priority of queues.")
    task_queues = Setting(
        parse.queues, None, "Declared queues: names, Queue objects, or a dict. None: the default queue."
    )
    task_reject_on_worker_lost = Setting(
        maybe(flag),
        True,
        "Run a late-acknowledged task again when its process died. One that a whole worker died with always does.",
        celery=None,
    )
    task_remote_tracebacks = Setting(
        flag, False, "Exceptions that get() raises have the worker's frames in their traceback, not only as text."
    )
    task_repr_maxlevels = Setting(
        maybe(count.of("levels")), 3, "How deep arguments are shown in logs and monitors; None: as deep as they are."
    )
    task_retry_on_worker_lost = later(False, "Retry a task whose process died, counted as one of its retries.")
    task_routes = Setting(anything, None, "Where tasks go: a dict by name or pattern, a function, or a list of these.")
    task_send_sent_event = later(False, "Send an event for each call.")
    task_serializer = Setting(text, "json", "How arguments are encoded.")
    task_soft_time_limit = Setting(
        maybe(seconds), None, "How long a task may take until it gets SoftTimeLimitExceeded."
    )
    task_store_eager_result = Setting(flag, False, "Store results of eager tasks too.")
    task_store_errors_even_if_ignored = Setting(flag, False, "Store failures of tasks whose results are ignored.")
    task_time_limit = Setting(maybe(seconds), None, "How long a task may take until it is ended.")
    task_track_started = Setting(flag, False, "Store STARTED when a task starts.")
    task_unknown_grace = Setting(seconds, 600.0, "How long a message of an unknown task waits for one who knows it.")
