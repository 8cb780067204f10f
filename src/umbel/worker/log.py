"""Log output of a worker: what is set up, once for each process. Knows formats; decides nothing about what is said.

As Celery does it: the root logger and ``celery.task`` get a handler each, unless a receiver of ``setup_logging`` does
all of that itself; receivers of ``after_setup_logger`` and ``after_setup_task_logger`` may change what was set up.
"""

import io
import json
import logging
import logging.handlers
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from umbel.app import request, signals
from umbel.app.application import Umbel
from umbel.app.log import TaskFormatter
from umbel.app.trouble import one_line
from umbel.core.errors import ImproperlyConfigured
from umbel.worker.names import expanded

COLOURS = {"DEBUG": "34", "WARNING": "33", "ERROR": "31", "CRITICAL": "35"}
OURS = ("celery", "celery.task", "celery.redirected")


class LogSetup(msgspec.Struct, frozen=True, kw_only=True):
    """How the processes of one worker write their lines. ``redirect`` is the level of what is printed, or None."""

    level: str
    nodename: str
    logfile: str | None
    json: bool
    format: str
    task_format: str
    datefmt: str | None
    task_datefmt: str | None
    color: bool | None
    hijack: bool
    redirect: str | None

    @property
    def colorize(self) -> bool:
        """Whether lines are coloured: only on a terminal."""
        terminal = self.logfile is None and sys.__stderr__ is not None and sys.__stderr__.isatty()
        return terminal and self.color is not False and not self.json


def log_setup(
    app: Umbel,
    nodename: str,
    *,
    loglevel: str | None,
    log_format: str = "text",
    logfile: str | None = None,
    color: bool | None = None,
) -> LogSetup:
    """What options and settings say of a program's logging. ``log_format`` is ``text`` or ``json``."""
    conf = app.conf
    return LogSetup(
        level=(loglevel or "WARNING").upper(),
        nodename=nodename,
        logfile=logfile,
        json=log_format == "json",
        format=conf.worker_log_format or logging.BASIC_FORMAT,
        task_format=conf.worker_task_log_format or logging.BASIC_FORMAT,
        datefmt=conf.worker_log_datefmt,
        task_datefmt=conf.worker_task_log_datefmt,
        color=conf.worker_log_color if color is None else color,
        hijack=conf.worker_hijack_root_logger,
        redirect=conf.worker_redirect_stdouts_level if conf.worker_redirect_stdouts else None,
    )


# Setting up -----------------------------------------------------------------------------------------------------------


def set_up(setup: LogSetup, index: int = 0) -> None:
    """Have this process's records written. ``index`` is its number among the worker's processes, 0 for the supervisor.

    Raises ``ImproperlyConfigured`` where the user's configuration of logging fails.
    """
    logging.getLogger("umbel").parent = logging.getLogger("celery")
    logging.captureWarnings(True)
    level = logging.getLevelNamesMapping()[setup.level]
    logfile = None if setup.logfile is None else expanded(setup.logfile, setup.nodename, index)
    told: dict[str, Any] = {"loglevel": level, "logfile": logfile, "colorize": setup.colorize}
    if signals.setup_logging.receivers:
        _leave_it_to_receivers(**told, format=setup.format)
        return
    root, tasks = logging.getLogger(), logging.getLogger("celery.task")
    if setup.hijack:
        for logger in (root, *map(logging.getLogger, OURS)):
            _forget_handlers(logger)
    formatter, task_formatter = formatters(setup)
    _configure(root, logfile, formatter, level)
    signals.after_setup_logger.send(sender=None, logger=root, format=setup.format, **told)
    _configure(tasks, logfile, task_formatter, level)
    tasks.propagate = False
    signals.after_setup_task_logger.send(sender=None, logger=tasks, format=setup.task_format, **told)
    _try_out(root.handlers, "worker_log_format", setup.format)
    _try_out(tasks.handlers, "worker_task_log_format", setup.task_format)


def set_up_again(setup: LogSetup, index: int) -> None:
    """In a process that was forked with logging set up: only a log file of its own is missing."""
    if setup.logfile is not None and "%i" in setup.logfile.lower():
        set_up(setup, index)


def _leave_it_to_receivers(**told: Any) -> None:
    # What it raises is told by one line, below, and not by a traceback that nothing formats yet.
    signals.log.disabled = True
    try:
        responses = signals.setup_logging.send(sender=None, **told)
    finally:
        signals.log.disabled = False
    for receiver, response in responses:
        if isinstance(response, Exception):
            name = getattr(receiver, "__qualname__", repr(receiver))
            raise ImproperlyConfigured(
                f"logging cannot be set up: {name}, a receiver of setup_logging, raised {one_line(response)}"
            ) from response


def _forget_handlers(logger: logging.Logger) -> None:
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        if isinstance(handler, _File):
            handler.close()


def _configure(logger: logging.Logger, logfile: str | None, formatter: logging.Formatter, level: int) -> None:
    if all(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
        handler = _handler(logfile)
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    logger.setLevel(level)


def _handler(logfile: str | None) -> logging.Handler:
    if logfile is None:
        return _Stream(sys.__stderr__ or io.StringIO())
    try:
        return _File(logfile, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ImproperlyConfigured(f"log file {logfile}: {error.strerror}") from error


def _try_out(handlers: Iterable[logging.Handler], setting: str, text: str) -> None:
    """Have a line formatted: a format that no line fits would print a traceback instead of each."""
    record = logging.getLogRecordFactory()("celery", logging.INFO, __file__, 0, "ready", (), None)
    for handler in handlers:
        try:
            if handler.filter(record):
                handler.format(record)
        except Exception as error:
            raise ImproperlyConfigured(f"setting {setting} = {text!r}: {one_line(error)}") from error


# Formats --------------------------------------------------------------------------------------------------------------


def formatters(setup: LogSetup) -> tuple[logging.Formatter, logging.Formatter]:
    """For all lines, and for those of tasks. Raises ``ImproperlyConfigured``."""
    if setup.json:
        return JsonFormatter(), JsonFormatter()
    try:
        text = _Text(setup.format, setup.datefmt, setup.colorize)
    except ValueError as error:
        raise ImproperlyConfigured(f"setting worker_log_format = {setup.format!r}: {error}") from error
    try:
        return text, _TaskText(setup.task_format, setup.task_datefmt, setup.colorize)
    except ValueError as error:
        raise ImproperlyConfigured(f"setting worker_task_log_format = {setup.task_format!r}: {error}") from error


class _Text(logging.Formatter):
    """Text, coloured by level. The text of a second is kept, because a worker writes many lines in it."""

    def __init__(self, text: str, datefmt: str | None, colorize: bool) -> None:
        super().__init__(text, datefmt)
        self._colorize = colorize
        self._second = -1
        self._shown = ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """As the base class; the milliseconds are left to a format of the user's own."""
        second = int(record.created)
        if second != self._second:
            self._shown = time.strftime(datefmt or self.default_time_format, self.converter(second))
            self._second = second
        return self._shown if datefmt else f"{self._shown},{int(record.msecs):03d}"

    def format(self, record: logging.LogRecord) -> str:
        """As the base class, in colour."""
        line = super().format(record)
        colour = COLOURS.get(record.levelname) if self._colorize else None
        return line if colour is None else f"\033[{colour}m{line}\033[0m"


class _TaskText(_Text, TaskFormatter):
    """The same for the lines of tasks."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``process``, ``message``, and the task's id and name."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "process": record.processName,
            "pid": record.process,
            "message": record.getMessage(),
        }
        line |= _task_of(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _task_of(record: logging.LogRecord) -> dict[str, Any]:
    """The task that a line is about, or in which it was written."""
    data = getattr(record, "data", None)
    if isinstance(data, dict):
        return {f"task_{key}": data[key] for key in ("id", "name", "runtime") if key in data}
    context = request.current.get()
    return {"task_id": context.id, "task_name": context.task} if context is not None and context.id else {}


# Streams --------------------------------------------------------------------------------------------------------------


class _Stream(logging.StreamHandler[TextIO]):
    """Standard error, which a task may have closed: then there are no lines, and no error in whoever wrote one."""

    def handleError(self, record: logging.LogRecord) -> None:
        """As the base class, if it can, and never into what is redirected here."""
        printed, sys.stderr = sys.stderr, sys.__stderr__ or sys.stderr
        try:
            super().handleError(record)
        except Exception:  # noqa: BLE001  there is nowhere left to say it
            pass
        finally:
            sys.stderr = printed


class _File(_Stream, logging.handlers.WatchedFileHandler):
    """A log file, opened anew after it was moved away (logrotate). Looked at once a second."""

    _looked = -1

    def emit(self, record: logging.LogRecord) -> None:
        """As the base class."""
        second = int(record.created)
        if second != self._looked:
            self._looked = second
            self.reopenIfNeeded()
        logging.StreamHandler.emit(self, record)


class Printed(io.TextIOBase):
    """In place of ``sys.stdout`` and ``sys.stderr``: every line that is printed is a log line."""

    def __init__(self, logger: logging.Logger, level: int) -> None:
        self._logger = logger
        self._level = level
        self._here = threading.local()

    def write(self, text: str) -> int:
        """Log the lines that end in ``text``. What logging itself prints is dropped."""
        here = self._here.__dict__
        if "writing" not in here:
            whole, newline, rest = (here.pop("rest", "") + text).rpartition("\n")
            if newline:
                self._log(whole)
            if rest:
                here["rest"] = rest
        return len(text)

    def flush(self) -> None:
        """Log a line that has not ended."""
        if "writing" not in self._here.__dict__ and "rest" in self._here.__dict__:
            self._log(self._here.__dict__.pop("rest"))

    def _log(self, text: str) -> None:
        if text.strip("\n"):
            self._here.writing = True
            try:
                self._logger.log(self._level, "%s", text.strip("\n"))
            finally:
                del self._here.writing

    def fileno(self) -> int:
        """That of standard error: programs that a task starts write there."""
        if sys.__stderr__ is None:
            raise io.UnsupportedOperation("there is no standard error")
        return sys.__stderr__.fileno()

    def writable(self) -> bool:
        """Yes."""
        return True

    def isatty(self) -> bool:
        """No: what is logged needs no colour."""
        return False


def redirect(setup: LogSetup) -> None:
    """Log what is printed from now on, if the settings say so and no receiver of ``setup_logging`` does."""
    if setup.redirect is not None and not signals.setup_logging.receivers:
        level = logging.getLevelNamesMapping()[setup.redirect]
        sys.stdout = sys.stderr = Printed(logging.getLogger("celery.redirected"), level)


@contextmanager
def redirected(setup: LogSetup | None) -> Iterator[None]:
    """``redirect`` for the length of the block; None: leave everything as it is."""
    before = sys.stdout, sys.stderr
    if setup is not None:
        redirect(setup)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def name_process(name: str) -> None:
    """What ``%(processName)s`` is in this process: ``Supervisor``, ``Process-1``."""
    logging.logMultiprocessing = False  # the name is ours, so that of multiprocessing need not be looked up

    def factory(*args: object, **kwargs: object) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)  # type: ignore[arg-type]
        record.processName = name
        return record

    logging.setLogRecordFactory(factory)


def tell_children(setup: LogSetup) -> None:
    """Celery's variables, by which a program that a task starts may know how its worker logs."""
    os.environ["CELERY_LOG_LEVEL"] = str(logging.getLevelNamesMapping()[setup.level])
    os.environ["CELERY_LOG_FILE"] = setup.logfile or ""
