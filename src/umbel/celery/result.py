"""Celery's ``result``. A door: it only re-exports."""

from umbel.app.eager import EagerResult
from umbel.app.groups import GroupResult, result_from_tuple
from umbel.app.results import AsyncResult
from umbel.app.resultsets import ResultSet
from umbel.app.waiting import allow_join_result, denied_join_result
from umbel.celery import offered

__all__ = [
    "AsyncResult",
    "EagerResult",
    "GroupResult",
    "ResultSet",
    "allow_join_result",
    "denied_join_result",
    "result_from_tuple",
]

__getattr__ = offered.names_not_in(__name__)
