"""Celery's settings of parts that no release of Umbel has yet: other stores, events, remote control, signing.

Rows of the table, nothing else. They are here so that one of them is never set in vain.
"""

from typing import Any

from umbel.app.settings.setting import Values, later, obsolete, rows

_STORES: dict[str, dict[str, Any]] = {
    "arangodb": {"backend_settings": None},
    "azureblockblob": {
        "base_path": "",
        "connection_timeout": 20,
        "container_name": "celery",
        "read_timeout": 120,
        "retry_increment_base": 2,
        "retry_initial_backoff_sec": 2,
        "retry_max_attempts": 3,
    },
    "cache": {"backend": None, "backend_options": {}},
    "cassandra": {
        "auth_provider": None,
        "bundle_path": None,
        "entry_ttl": None,
        "keyspace": None,
        "options": {},
        "port": None,
        "read_consistency": None,
        "secure_bundle_path": None,
        "servers": None,
        "table": None,
        "write_consistency": None,
    },
    "cosmosdbsql": {
        "collection_name": "celerycol",
        "consistency_level": "Session",
        "database_name": "celerydb",
        "max_retry_attempts": 9,
        "max_retry_wait_time": 30,
    },
    "couchbase": {"backend_settings": None},
    "database": {
        "create_tables_at_setup": True,
        "engine_callback": None,
        "engine_options": {"pool_pre_ping": True, "pool_recycle": 3600},
        "short_lived_sessions": False,
        "table_names": None,
        "table_schemas": None,
    },
    "dynamodb": {"endpoint_url": None},
    "elasticsearch": {"max_retries": None, "retry_on_timeout": None, "save_meta_as_text": True, "timeout": None},
    "gcs": {"base_path": "", "bucket": None, "project": None, "threadpool_maxsize": 10, "ttl": 0},
    "mongodb": {"backend_settings": None},
    "s3": {
        "access_key_id": None,
        "base_path": None,
        "bucket": None,
        "endpoint_url": None,
        "region": None,
        "secret_access_key": None,
    },
}
_EVENTS: dict[str, Any] = {
    "event_exchange": "celeryev",
    "event_queue_durable": False,
    "event_queue_exclusive": True,
    "event_queue_expires": 60.0,
    "event_queue_prefix": "celeryev",
    "event_queue_ttl": 5.0,
    "event_serializer": "json",
    **{f"events_{option}": None for option in ("logfile", "pidfile", "uid", "gid", "umask", "executable")},
}
_CONTROL: dict[str, Any] = {
    "control_exchange": "celery",
    "control_queue_durable": False,
    "control_queue_exclusive": True,
    "control_queue_expires": 10.0,
    "control_queue_ttl": 300.0,
}
_OBSOLETE = {
    "cassandra_auth_kwargs": "say it in cassandra_options",
    "database_url": "say it in result_backend: 'db+postgresql://user:password@host/name'",
}


class Elsewhere(Values):
    """Other stores, events and remote control."""


for _prefix, _options in _STORES.items():
    rows(Elsewhere, {f"{_prefix}_{k}": later(v, f"Of the result store {_prefix}.") for k, v in _options.items()})
rows(Elsewhere, {name: later(value, "Of events.") for name, value in _EVENTS.items()})
rows(Elsewhere, {name: later(value, "Of remote control.") for name, value in _CONTROL.items()})
rows(Elsewhere, {name: obsolete(instead) for name, instead in _OBSOLETE.items()})
