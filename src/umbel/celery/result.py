"""Celery's ``result``. A door: it only re-exports."""

from typing import Any

from umbel.app.eager import EagerResult
from umbel.app.groups import GroupResult, result_from_tuple
from umbel.app.results import AsyncResult
from umbel.app.resultsets import ResultSet
from umbel.app.waiting import allow_join_result, denied_join_result
from umbel.celery import offered

ResultBase: Any = AsyncResult | ResultSet
"""For ``isinstance``: every handle on results."""

__all__ = [
    "AsyncResult",
    "EagerResult",
    "GroupResult",
    "ResultBase",
    "ResultSet",
    "allow_join_result",
    "denied_join_result",
    "result_from_tuple",
]

__getattr__ = offered.names_not_in(__name__)
