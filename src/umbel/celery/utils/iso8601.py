"""Celery's ``utils.iso8601``: times from text."""

from datetime import datetime


def parse_iso8601(datestring: str) -> datetime:
    """The time. Raises ``ValueError`` for other text."""
    return datetime.fromisoformat(datestring)
