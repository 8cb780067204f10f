"""Celery's ``app.log``: an app's logging, set up by hand. A worker sets up its own, before anything asks for this."""

import logging
import sys
from typing import Any

from umbel.app import log
from umbel.celery import offered
from umbel.celery.utils.log import LoggingProxy, mlevel

TASK_LOGGER = "celery.task"


class TaskFormatter(log.TaskFormatter):
    """A formatter with ``%(task_id)s`` and ``%(task_name)s``, made as Celery's is. It colours nothing."""

    def __init__(self, fmt: str | None = None, use_color: bool = True) -> None:
        super().__init__(fmt)


class Logging:
    """``app.log``. ``setup`` is for programs that are no workers."""

    already_setup = False

    def __init__(self, app: Any) -> None:
        self.app = app
        conf = app.conf
        self.loglevel = logging.WARNING
        self.format, self.task_format = conf.worker_log_format, conf.worker_task_log_format
        self.colorize = conf.worker_log_color

    def setup(
        self,
        loglevel: Any = None,
        logfile: Any = None,
        redirect_stdouts: bool = False,
        redirect_level: Any = "WARNING",
        colorize: bool | None = None,
        hostname: str | None = None,
    ) -> bool:
        """Set up the root logger and that of tasks; returns whether it was done now."""
        loglevel = mlevel(loglevel)
        done = self.setup_logging_subsystem(loglevel, logfile, colorize=colorize, hostname=hostname)
        if redirect_stdouts:
            self.redirect_stdouts(redirect_level)
        return done

    def setup_logging_subsystem(
        self, loglevel: Any = None, logfile: Any = None, format: str | None = None, colorize: Any = None, **more: Any
    ) -> bool:
        """Give the root logger a handler, unless that was done."""
        if Logging.already_setup:
            return False
        Logging.already_setup = True
        root = logging.getLogger()
        root.setLevel(mlevel(loglevel or self.loglevel))
        self.setup_handlers(root, logfile, format or self.format, colorize)
        self.setup_task_loggers(loglevel, logfile, colorize=colorize)
        return True

    def setup_task_loggers(
        self,
        loglevel: Any = None,
        logfile: Any = None,
        format: str | None = None,
        colorize: Any = None,
        propagate: bool = False,
        **more: Any,
    ) -> logging.Logger:
        """Give the logger of tasks a handler with their ids and names."""
        logger = logging.getLogger(TASK_LOGGER)
        logger.setLevel(mlevel(loglevel or self.loglevel))
        self.setup_handlers(logger, logfile, format or self.task_format, colorize, TaskFormatter)
        logger.propagate = propagate
        return logger

    def setup_handlers(
        self,
        logger: logging.Logger,
        logfile: Any,
        format: str,
        colorize: Any,
        formatter: type[logging.Formatter] = logging.Formatter,
        **more: Any,
    ) -> logging.Logger:
        """Add a handler to a file or a stream (standard error), unless the logger has one."""
        if not logger.handlers:
            named = isinstance(logfile, str)
            handler: logging.Handler = (
                logging.FileHandler(logfile, encoding="utf-8")
                if named
                else logging.StreamHandler(logfile or sys.stderr)
            )
            handler.setFormatter(formatter(format))
            logger.addHandler(handler)
        return logger

    def redirect_stdouts(self, loglevel: Any = None, name: str = "celery.redirected") -> None:
        """Have standard output and error go to a logger."""
        self.redirect_stdouts_to_logger(logging.getLogger(name), loglevel)

    def redirect_stdouts_to_logger(
        self, logger: logging.Logger, loglevel: Any = None, stdout: bool = True, stderr: bool = True
    ) -> LoggingProxy:
        """Have them go to ``logger``."""
        proxy: Any = LoggingProxy(logger, loglevel)
        if stdout:
            sys.stdout = proxy
        if stderr:
            sys.stderr = proxy
        return proxy  # type: ignore[no-any-return]

    def get_default_logger(self, name: str = "celery", **more: Any) -> logging.Logger:
        """The logger of this name."""
        return logging.getLogger(name)


__all__ = ["Logging", "TaskFormatter"]

__getattr__ = offered.names_not_in(__name__)
