"""Umbel alone."""
from typing import Any
def backlog(bench: Any) -> dict[str, Any]:
    return {}
def consumers(bench: Any) -> dict[str, Any]:
    return {}
