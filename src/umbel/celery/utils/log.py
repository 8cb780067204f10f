"""Celery's ``utils.log``: loggers for tasks and for what belongs to the worker. Configures nothing."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from umbel.app.log import TaskFormatter, get_task_logger
from umbel.celery import offered

base_logger = logging.getLogger("celery")
task_logger = logging.getLogger("celery.task")
worker_logger = logging.getLogger("celery.worker")

LOG_LEVELS: dict[str | int, Any] = {
    **dict(logging.getLevelNamesMapping().items()),
    **{number: name for name, number in logging.getLevelNamesMapping().items() if name not in ("WARN", "FATAL")},
}


def get_logger(name: str | logging.Logger) -> logging.Logger:
    """The logger ``name``, below the logger ``celery`` where it would have stood below the root."""
    logger = logging.getLogger(name) if isinstance(name, str) else name
    if logging.root not in (logger, logger.parent) or logger is base_logger:
        return logger
    logger.parent = base_logger
    return logger


def mlevel(level: str | int | None) -> int:
    """A level as a number, by its name or number; nothing is WARNING."""
    if not level:
        return logging.WARNING
    return level if isinstance(level, int) else int(LOG_LEVELS[level.upper()])


class LoggingProxy:
    """A file whose lines go to a logger."""

    mode = "w"
    name: str | None = None
    closed = False
    loglevel = logging.ERROR

    def __init__(self, logger: logging.Logger, loglevel: str | int | None = None) -> None:
        self.logger = logger
        self.loglevel = mlevel(loglevel or logger.level or self.loglevel)
        self._inside = threading.local()

    def write(self, data: str | bytes) -> int:
        """Log it, unless it is empty or comes from logging itself; returns how many characters it has."""
        text = data.decode(errors="replace") if isinstance(data, bytes) else data
        if self.closed or not text.strip() or getattr(self._inside, "busy", False):
            return 0
        self._inside.busy = True
        try:
            self.logger.log(self.loglevel, text.rstrip())
        finally:
            self._inside.busy = False
        return len(data)

    def writelines(self, sequence: Sequence[str]) -> None:
        """Log each."""
        for part in sequence:
            self.write(part)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Log no more."""
        self.closed = True

    def isatty(self) -> bool:
        """It is none."""
        return False


_in_handler = threading.local()


def set_in_sighandler(value: bool) -> None:
    """Say whether this thread is in a signal handler now."""
    _in_handler.value = value


@contextmanager
def in_sighandler() -> Iterator[None]:
    """Say so for a block."""
    set_in_sighandler(True)
    try:
        yield
    finally:
        set_in_sighandler(False)


__all__ = [
    "LOG_LEVELS",
    "LoggingProxy",
    "TaskFormatter",
    "base_logger",
    "get_logger",
    "get_task_logger",
    "in_sighandler",
    "mlevel",
    "set_in_sighandler",
    "task_logger",
    "worker_logger",
]

__getattr__ = offered.names_not_in(__name__)
