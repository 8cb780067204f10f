"""Log output of a worker: text or JSON lines on standard error. Knows formats; decides nothing about what is said."""

import json
import logging
import sys
from datetime import UTC, datetime

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


def set_up(level: str, log_format: str) -> None:
    """Send the root logger's records to standard error, from ``level`` on, in ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def name_process(name: str) -> None:
    """What ``%(processName)s`` is in this process: ``Supervisor``, ``Process-1``."""

    def factory(*args: object, **kwargs: object) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)  # type: ignore[arg-type]
        record.processName = name
        return record

    logging.setLogRecordFactory(factory)
