"""Celery's ``utils.log``: loggers for tasks and for what belongs to the worker. Configures nothing."""

import logging

from umbel.app.log import TaskFormatter, get_task_logger
from umbel.celery import offered

base_logger = logging.getLogger("celery")
task_logger = logging.getLogger("celery.task")
worker_logger = logging.getLogger("celery.worker")


def get_logger(name: str) -> logging.Logger:
    """The logger ``name``, below the logger ``celery`` where it would have stood below the root."""
    logger = logging.getLogger(name)
    if logging.root not in (logger, logger.parent) or logger is base_logger:
        return logger
    logger.parent = base_logger
    return logger


__all__ = ["TaskFormatter", "base_logger", "get_logger", "get_task_logger", "task_logger", "worker_logger"]

__getattr__ = offered.names_not_in(__name__)
