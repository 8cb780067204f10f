"""Logging for tasks: a logger whose lines carry the running task's id and name. Configures nothing by itself."""

import logging

from umbel.app import request

_task_logger = logging.getLogger("umbel.task")


def get_task_logger(name: str) -> logging.Logger:
    """The logger for the module ``name`` of tasks (pass ``__name__``). It takes its level from ``umbel.task``."""
    logger = logging.getLogger(name)
    if logger is not _task_logger and logger.parent is logging.root:
        logger.parent = _task_logger
    return logger


class TaskFormatter(logging.Formatter):
    """A formatter with ``%(task_id)s`` and ``%(task_name)s``; ``???`` where no task runs."""

    def format(self, record: logging.LogRecord) -> str:
        """As ``logging.Formatter.format``."""
        context = request.current.get()
        record.task_id = (context and context.id) or "???"
        record.task_name = (context and context.task) or "???"
        return super().format(record)
