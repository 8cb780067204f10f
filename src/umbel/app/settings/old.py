"""The upper-case names that settings had before Celery 4, and what they are called now. Data only."""

from collections.abc import Iterable, Mapping

_IRREGULAR = {
    "CELERYD_TASK_SOFT_TIME_LIMIT": "task_soft_time_limit",
    "CELERYD_TASK_TIME_LIMIT": "task_time_limit",
    "CELERYD_WORKER_LOST_WAIT": "worker_lost_wait",
    "CELERY_DISABLE_RATE_LIMITS": "worker_disable_rate_limits",
    "CELERY_EAGER_PROPAGATES_EXCEPTIONS": "task_eager_propagates",
    "CELERY_ENABLE_REMOTE_CONTROL": "worker_enable_remote_control",
    "CELERY_ENABLE_UTC": "enable_utc",
    "CELERY_MAX_CACHED_RESULTS": "result_cache_max",
    "CELERY_MESSAGE_COMPRESSION": "task_compression",
    "CELERY_REDIRECT_STDOUTS": "worker_redirect_stdouts",
    "CELERY_REDIRECT_STDOUTS_LEVEL": "worker_redirect_stdouts_level",
    "CELERY_RESULT_DBURI": "database_url",
    "CELERY_RESULT_DB_SHORT_LIVED_SESSIONS": "database_short_lived_sessions",
    "CELERY_RESULT_DB_TABLENAMES": "database_table_names",
    "CELERY_RESULT_ENGINE_OPTIONS": "database_engine_options",
    "CELERY_SEND_EVENTS": "worker_send_task_events",
    "CELERY_SEND_TASK_SENT_EVENT": "task_send_sent_event",
    "CELERY_TASK_PROTOCOL": "task_protocol",
    "CELERY_TASK_PUBLISH_RETRY": "task_publish_retry",
    "CELERY_TASK_PUBLISH_RETRY_POLICY": "task_publish_retry_policy",
    "CELERY_TASK_RESULT_EXPIRES": "result_expires",
    "CELERY_TASK_SERIALIZER": "task_serializer",
    "CELERY_WORKER_DIRECT": "worker_direct",
    "RESULT_ACCEPT_CONTENT": "result_accept_content",
}
_REGULAR = {"task_": "CELERY_", "worker_": "CELERYD_", "beat_": "CELERYBEAT_"}
_OWN = frozenset(
    {
        "beat_lease",
        "broker_publish_timeout",
        "result_max_size",
        "task_eager_strict",
        "task_keep_failed",
        "task_keep_failed_limit",
        "task_max_deliveries",
        "task_max_payload",
        "task_unknown_grace",
        "worker_health_socket",
        "worker_lease",
        "worker_rate_limit_scope",
        "worker_revoke_expires",
        "worker_shutdown_timeout",
        "worker_stuck_timeout",
    }
)
"""Umbel's own settings, which never had an old name."""
_WHOLE = ("accept_content", "imports", "include", "timezone")
_FAMILIES = (
    "arangodb_", "cache_", "couchbase_", "elasticsearch_", "event_", "mongodb_", "redis_", "result_", "security_"
)  # fmt: skip


def new_names(names: Iterable[str]) -> Mapping[str, str]:
    """Old name to new, for the settings ``names``."""
    renamed = _OWN.union(_IRREGULAR.values()) - {"enable_utc"}
    regular = {_regular(name): name for name in names if name not in renamed}
    return {**regular, **_IRREGULAR}


def _regular(name: str) -> str:
    for prefix, old in _REGULAR.items():
        if name.startswith(prefix):
            return old + name.removeprefix(prefix).upper()
    if name in _WHOLE or name.startswith(_FAMILIES):
        return f"CELERY_{name.upper()}"
    return name.upper()
