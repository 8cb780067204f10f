"""kombu's ``utils``: ids, and values that are computed once; the rest is imported from its modules when asked for."""

from umbel.celery import offered
from umbel.celery.kombu.utils.objects import cached_property
from umbel.celery.kombu.utils.uuid import uuid

__all__ = ["cached_property", "uuid"]

__getattr__ = offered.names_not_in(
    __name__,
    elsewhere={
        "maybe_list": "umbel.celery.utils.functional:maybe_list",
        "reprcall": "umbel.celery.kombu.utils.text:reprcall",
        "reprkwargs": "umbel.celery.kombu.utils.text:reprkwargs",
        "retry_over_time": "umbel.celery.kombu.utils.functional:retry_over_time",
        "symbol_by_name": "umbel.celery.utils.imports:symbol_by_name",
    },
)
