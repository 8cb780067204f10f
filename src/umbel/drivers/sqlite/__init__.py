"""SQLite as Umbel uses it: one file, its connections and transactions, and what can be wrong with it. Owns no table."""

from umbel.drivers.sqlite.batch import Ask, Insert, Write, ask, insert, write
from umbel.drivers.sqlite.database import Database, Link, Part, statements
from umbel.drivers.sqlite.trouble import APPLICATION_ID, BadOperation, is_damaged, network_type, parse_url

__all__ = [
    "APPLICATION_ID",
    "Ask",
    "BadOperation",
    "Database",
    "Insert",
    "Link",
    "Part",
    "Write",
    "ask",
    "insert",
    "is_damaged",
    "network_type",
    "parse_url",
    "statements",
    "write",
]
