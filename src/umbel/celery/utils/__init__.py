"""Celery's ``utils``: ids for tasks; the rest is imported from its modules when asked for."""

from umbel.app import identity
from umbel.celery import offered
from umbel.celery.utils.nodenames import nodename, nodesplit
from umbel.runtime.clock import SYSTEM


def uuid() -> str:
    """A new id for a task."""
    return identity.uuid(SYSTEM.now())


gen_unique_id = uuid

__all__ = ["gen_unique_id", "nodename", "nodesplit", "uuid"]

__getattr__ = offered.names_not_in(
    __name__,
    elsewhere={
        "LOG_LEVELS": "umbel.celery.utils.log:LOG_LEVELS",
        "cached_property": "umbel.celery.kombu.utils.objects:cached_property",
        "chunks": "umbel.celery.utils.functional:chunks",
        "gen_task_name": "umbel.celery.utils.imports:gen_task_name",
        "get_cls_by_name": "umbel.celery.utils.imports:symbol_by_name",
        "get_full_cls_name": "umbel.celery.utils.imports:qualname",
        "import_from_cwd": "umbel.celery.utils.imports:import_from_cwd",
        "instantiate": "umbel.celery.utils.imports:instantiate",
        "memoize": "umbel.celery.utils.functional:memoize",
        "noop": "umbel.celery.utils.functional:noop",
        "symbol_by_name": "umbel.celery.utils.imports:symbol_by_name",
        "worker_direct": "umbel.celery.utils.nodenames:worker_direct",
    },
)
