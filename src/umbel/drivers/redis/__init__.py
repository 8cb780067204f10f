"""Redis: where the server is, connections that pipeline, and its errors in plain words. Knows nobody's keys."""

from importlib.resources import files

from umbel.drivers.redis.aio import Connection, connect
from umbel.drivers.redis.blocking import Pool, SyncConnection, is_push
from umbel.drivers.redis.blocking import connect as sync_connect
from umbel.drivers.redis.handshake import WHO, Command, Greeting, Standing, is_replica
from umbel.drivers.redis.place import Place, number, parse
from umbel.drivers.redis.trouble import (
    TRACKS_SCRIPTS,
    BadOperation,
    CutOff,
    explained,
    is_elsewhere,
    is_error,
    unreachable,
)

JOINING = (files(__name__) / "joining.lua").read_text("utf-8")
"""What a store's and a broker's scripts share: it defines ``joining()``, which returns ``join`` and ``check``."""
SUCCESS = (files(__name__) / "success.lua").read_text("utf-8")
"""Shared likewise: it defines ``says_success(bytes of a result)``."""

__all__ = [
    "JOINING",
    "SUCCESS",
    "TRACKS_SCRIPTS",
    "WHO",
    "BadOperation",
    "Command",
    "Connection",
    "CutOff",
    "Greeting",
    "Place",
    "Pool",
    "Standing",
    "SyncConnection",
    "connect",
    "explained",
    "is_elsewhere",
    "is_error",
    "is_push",
    "is_replica",
    "number",
    "parse",
    "sync_connect",
    "unreachable",
]
