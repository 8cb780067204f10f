"""Settings of the broker and of connections to it. Rows of the table, nothing else."""

from umbel.app.parse import count, flag, maybe, more_than_nothing, seconds, table, text, tls
from umbel.app.settings.setting import Setting, Values, amqp, later, obsolete

_URL = "say it in broker_url: 'redis://user:password@host:6379/0'"


class Broker(Values):
    """Broker."""

    broker_url = Setting(
        maybe(text),
        None,
        "Where messages go. None: the file umbel.db beside the app's top package.",
        environ=("UMBEL_BROKER_URL", "CELERY_BROKER_URL"),
    )
    broker_channel_error_retry = amqp(False, "Reconnect also after errors of the channel.")
    broker_connection_max_retries = Setting(
        maybe(count.of("attempts")),
        None,
        "How often in a row a worker tries to reach its broker until it ends; None or 0: for ever.",
        celery=100,
    )
    broker_connection_retry = Setting(
        flag, True, "A worker whose broker is lost tries to reach it again. False: it ends."
    )
    broker_connection_retry_on_startup = Setting(flag, True, "Wait for the broker when a worker starts.")
    broker_connection_timeout = Setting(more_than_nothing, 4.0, "How long an attempt to connect to Redis may take.")
    broker_failover_strategy = later(
        None, "Which of several brokers is tried next. One broker is named; sentinel:// fails over."
    )
    broker_heartbeat = amqp(120, "AMQP's heartbeat in seconds; 0: off.")
    broker_heartbeat_checkrate = amqp(3.0, "How often in a heartbeat it is looked at.")
    broker_login_method = amqp(None, "AMQP's way to log in.")
    broker_native_delayed_delivery_queue_type = amqp("quorum", "RabbitMQ's type of the queues that delay.")
    broker_pool_acquire_timeout = later(None, "How long a call waits for a free connection.")
    broker_pool_limit = Setting(
        maybe(count.of("connections")),
        10,
        "Most connections to Redis that the calls of one process have at once; 0 or None: a new one for each call.",
    )
    broker_publish_timeout = Setting(
        seconds, 5.0, "How long delay() may take until it returns or raises, whatever the broker does."
    )
    broker_read_url = Setting(
        maybe(text),
        None,
        "Where workers read, if that is another place than broker_url.",
        environ=("CELERY_BROKER_READ_URL",),
        status="later",
    )
    broker_transport_options = Setting(table, {}, "Options of the broker's adapter.")
    broker_use_ssl = Setting(tls, False, "TLS to the broker: True, or the ssl_* options of a URL.")
    broker_write_url = Setting(
        maybe(text),
        None,
        "Where calls go, if that is another place than broker_url.",
        environ=("CELERY_BROKER_WRITE_URL",),
        status="later",
    )

    broker_host = obsolete(_URL)
    broker_password = obsolete(_URL)
    broker_port = obsolete(_URL)
    broker_transport = obsolete(_URL)
    broker_user = obsolete(_URL)
    broker_vhost = obsolete(_URL)
