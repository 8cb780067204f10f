"""Settings of results and of the stores that keep them. Rows of the table, nothing else."""

from umbel.app.parse import anything, count, flag, maybe, number, seconds, table, text, tls
from umbel.app.settings.setting import Setting, Values, by_design, later, no_use, obsolete

DAY = 86400.0
_URL = "say it in result_backend: 'redis://user:password@host:6379/0'"
_RPC = "it is for results sent as AMQP messages; use result_backend"


class Results(Values):
    """Results."""

    result_backend = Setting(
        maybe(text),
        None,
        "Where results go. None: to the broker's file if the broker is the embedded default, else nowhere.",
        environ=("UMBEL_RESULT_BACKEND", "CELERY_RESULT_BACKEND"),
    )
    result_backend_always_retry = Setting(
        flag, False, "Read again when the store cannot be reached. (Workers always write again.)"
    )
    result_backend_base_sleep_between_retries_ms = Setting(
        count.of("milliseconds"), 10, "The first pause between these attempts; each is twice the last."
    )
    result_backend_max_retries = Setting(number, float("inf"), "How often.")
    result_backend_max_sleep_between_retries_ms = Setting(
        count.of("milliseconds"), 10000, "The longest pause between them."
    )
    result_backend_transport_options = Setting(table, {}, "Options of the store's adapter.")
    result_chord_expires = later(None, "How long what a chord counts is kept.")
    result_chord_join_timeout = later(3.0, "How long reading the results of a chord's header may take.")
    result_chord_retry_interval = Setting(
        seconds, 1.0, "How often celery.chord_unlock looks at an unfinished chord; Umbel's stores need no looking."
    )
    result_compression = Setting(
        maybe(text), None, "How results are compressed: zlib, gzip, bzip2, lzma, zstd or brotli."
    )
    result_expires = Setting(maybe(seconds), DAY, "How long a result is kept; None or 0: for ever.")
    result_extended = Setting(flag, False, "Store name, args, kwargs, worker, retries and queue with a result.")
    result_failure_expires = Setting(
        maybe(seconds), None, "The same for failures; None: as result_expires, 0: for ever."
    )
    result_keep_workflows = Setting(
        flag, True, "Keep the structure of chains, groups and chords with results, for `app.workflows`."
    )
    result_max_size = Setting(
        maybe(count.of("bytes")),
        1024 * 1024,
        "Size of a result above which a warning is logged, once per task.",
        celery=None,
    )
    result_persistent = no_use(
        None, "Whether results sent as messages survive the broker.", "results are not sent as messages"
    )
    result_serializer = Setting(text, "json", "How results are encoded: json, msgpack, yaml or pickle.")

    result_cache_max = obsolete("results are not cached; leave it out", -1)
    result_exchange = obsolete(_RPC, "celeryresults")
    result_exchange_type = obsolete(_RPC, "direct")


class Redis(Values):
    """Results in Redis."""

    redis_backend_credential_provider = Setting(anything, None, "Gives user and password of the Redis with results.")
    redis_backend_health_check_interval = by_design(
        None, "How often an idle connection is looked at: each before it is used, and the kernel looks in between."
    )
    redis_backend_use_ssl = Setting(
        maybe(tls), None, "TLS to the Redis with results: True, or the ssl_* options of a URL."
    )
    redis_client_name = Setting(maybe(text), None, "What CLIENT LIST shows of connections that read results.")
    redis_max_connections = Setting(
        maybe(count.of("connections")), None, "Most connections that readers of one process have at once; None: any."
    )
    redis_retry_on_timeout = by_design(
        False, "Ask again when the Redis with results did not answer in time: it always does."
    )
    redis_socket_connect_timeout = Setting(maybe(seconds), None, "How long connecting to it may take.")
    redis_socket_keepalive = by_design(False, "TCP keep-alive of connections to it: it is always on.")
    redis_socket_timeout = Setting(maybe(seconds), None, "How long to wait for its answers. None: 30.")

    redis_db = obsolete(_URL)
    redis_host = obsolete(_URL)
    redis_password = obsolete(_URL)
    redis_port = obsolete(_URL)
    redis_username = obsolete(_URL)
