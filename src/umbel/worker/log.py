"""Log output of a worker: text or JSON lines on standard error. Knows formats; decides nothing about what is said."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from umbel.app import signals

FORMAT = "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``process``, ``message``, and the task's id and name."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "process": record.processName,
            "pid": record.process,
            "message": record.getMessage(),
        }
        data = getattr(record, "data", None)
        if isinstance(data, dict):
            line |= {"task_" + key: value for key, value in data.items()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Handler(logging.StreamHandler[TextIO]):
    """Standard error, which a task may have closed: then there are no lines, and no error in whoever wrote one."""

    def handleError(self, record: logging.LogRecord) -> None:
        """As the base class, if it can."""
        try:
            super().handleError(record)
        except Exception:  # noqa: BLE001  there is nowhere left to say it
            pass


def set_up(level: str, log_format: str) -> None:
    """Send the root logger's records to standard error, from ``level`` on, in ``text`` or ``json``.

    A receiver of ``setup_logging`` does all of that itself, as with Celery; those of ``after_setup_logger`` and
    ``after_setup_task_logger`` may change what was set up.
    """
    told = {"loglevel": logging.getLevelName(level), "logfile": None, "format": FORMAT, "colorize": False}
    if signals.setup_logging.receivers:
        signals.setup_logging.send(sender=None, **told)
        return
    handler = _Handler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    signals.after_setup_logger.send(sender=None, logger=root, **told)
    signals.after_setup_task_logger.send(sender=None, logger=logging.getLogger("umbel.task"), **told)


def name_process(name: str) -> None:
    """What ``%(processName)s`` is in this process: ``Supervisor``, ``Process-1``."""

    def factory(*args: object, **kwargs: object) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)  # type: ignore[arg-type]
        record.processName = name
        return record

    logging.setLogRecordFactory(factory)
