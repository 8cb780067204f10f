"""Logging for tasks: a logger whose lines carry the running task's id and name. Configures nothing by itself."""

import logging

from umbel.app import request

_task_logger = logging.getLogger("celery.task")


def get_task_logger(name: str) -> logging.Logger:
    """The logger for the module ``name`` of tasks (pass ``__name__``). Level and format: those of ``celery.task``."""
    if name in ("celery", "celery.task"):
        raise RuntimeError(f"{name!r} is the logger of Celery's own lines: pass another name, such as __name__")
    logger = logging.getLogger(name)
    if not _is_below(logger, _task_logger):
        logger.parent = _task_logger
    return logger


def _is_below(logger: logging.Logger | None, other: logging.Logger) -> bool:
    while logger is not None and logger is not other:
        logger = logger.parent
    return logger is other


class TaskFormatter(logging.Formatter):
    """A formatter with ``%(task_id)s`` and ``%(task_name)s``; ``???`` where no task runs."""

    def format(self, record: logging.LogRecord) -> str:
        """As ``logging.Formatter.format``."""
        context = request.current.get()
        record.task_id = (context and context.id) or "???"
        record.task_name = (context and context.task) or "???"
        return super().format(record)
