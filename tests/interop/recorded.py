"""One program, written once, that hears every signal and writes down who sent it with what; run by both kinds.

Each signal is one JSON line: its name, its sender, its arguments, and in which process it was heard. Values are told
so that those of two frameworks can be compared: exceptions by class and text, tasks by name, and so on.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

NAMES = (
    "before_task_publish",
    "after_task_publish",
    "task_received",
    "task_prerun",
    "task_postrun",
    "task_success",
    "task_retry",
    "task_failure",
    "task_internal_error",
    "task_revoked",
    "task_rejected",
    "task_unknown",
    "import_modules",
    "celeryd_init",
    "celeryd_after_setup",
    "worker_init",
    "worker_before_create_process",
    "worker_process_init",
    "worker_process_shutdown",
    "worker_ready",
    "worker_shutting_down",
    "worker_shutdown",
    "after_setup_logger",
    "after_setup_task_logger",
)
REQUEST = ("id", "args", "kwargs", "retries", "hostname", "root_id", "parent_id", "delivery_info", "group", "eta")
LOGGED = ("logger", "loglevel", "logfile", "format", "colorize")
HOME = os.getpid()


def define(app: Any, signals: Any, *, expected: Any) -> Any:
    """Hear the signals and register the tasks on ``app``."""
    for name in NAMES:
        getattr(signals, name).connect(listener(name), weak=False)
    _define_tasks(app, *expected)
    return app


def _define_tasks(app: Any, ignore: Any, reject: Any) -> None:
    @app.task(name="recorded.fine")  # type: ignore[untyped-decorator]
    def fine(x: int, y: int = 2) -> int:
        return x + y

    @app.task(name="recorded.fail")  # type: ignore[untyped-decorator]
    def fail(text: str) -> None:
        raise ValueError(text)

    @app.task(name="recorded.expected", throws=(KeyError,))  # type: ignore[untyped-decorator]
    def fails_as_expected() -> None:
        raise KeyError("gone")

    @app.task(name="recorded.flaky", bind=True, default_retry_delay=0)  # type: ignore[untyped-decorator]
    def flaky(self: Any, times: int) -> int:
        if self.request.retries < times:
            raise self.retry(exc=ValueError("again"), countdown=0)
        return int(self.request.retries)

    @app.task(name="recorded.hopeless", bind=True, max_retries=0)  # type: ignore[untyped-decorator]
    def hopeless(self: Any) -> None:
        raise self.retry(exc=ValueError("no more"), countdown=0)

    @app.task(name="recorded.ignored")  # type: ignore[untyped-decorator]
    def ignored() -> None:
        raise ignore

    @app.task(name="recorded.rejected", acks_late=True)  # type: ignore[untyped-decorator]
    def rejected() -> None:
        raise reject("not for us", requeue=False)

    @app.task(name="recorded.spawn", bind=True)  # type: ignore[untyped-decorator]
    def spawn(self: Any) -> str:
        return str(fine.apply_async((1,), {"y": 3}, task_id="spawned").id)

    @app.task(name="recorded.hold")  # type: ignore[untyped-decorator]
    def hold(gate: str) -> None:
        while not Path(gate).exists():
            time.sleep(0.01)  # noqa: TID251  a task of users'


def listener(name: str) -> Any:
    def listen(sender: Any = None, signal: Any = None, **arguments: Any) -> None:
        told = {key: "the settings" if key == "conf" else tell(value) for key, value in arguments.items()}
        where = "worker" if os.getpid() == HOME else "child"
        told_sender = "the pool" if name == "worker_before_create_process" else tell(sender)
        write({"signal": name, "sender": told_sender, "arguments": told, "where": where, "id": _id_of(arguments)})

    return listen


def _id_of(arguments: dict[str, Any]) -> Any:
    """The task that a signal is about."""
    if "request" in arguments:
        return arguments["request"].id
    if isinstance(arguments.get("headers"), dict):
        return arguments["headers"].get("id")
    return arguments.get("task_id") or arguments.get("id")


def tell(value: Any) -> Any:
    """A value so that it can be compared with that of another framework."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return "a float"
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    if isinstance(value, dict):
        return {str(key): tell(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [tell(item) for item in value]
    return _tell_object(value)


def _tell_object(value: Any) -> Any:
    kind = type(value).__name__
    if hasattr(value, "apply_async") and hasattr(value, "name"):
        return f"task {value.name}"
    if hasattr(value, "root_id"):
        return {name: tell(getattr(value, name, "absent")) for name in REQUEST}
    if kind == "ExceptionInfo":
        exception = value.exception
        if type(exception).__name__ == "ExceptionWithTraceback":
            exception = exception.exc
        named, _, text = value.traceback.strip().splitlines()[-1].partition(": ")
        last = f"{named.rpartition('.')[2]}: {text}"  # exceptions of the framework's own are in different modules
        return {"type": value.type.__name__, "exception": tell(exception), "last line": last}
    if kind in ("traceback", "Logger", "RootLogger"):
        return f"{kind} {getattr(value, 'name', '')}".strip()
    if hasattr(value, "routing_key") and hasattr(value, "exchange"):
        return f"queue {value.name}"
    if hasattr(value, "hostname") and hasattr(value, "app"):
        return f"{_role(value)} {value.hostname} of {value.app.main}"
    return "an app" if hasattr(value, "send_task") else f"a {kind}"


def _role(value: Any) -> str:
    return "worker" if hasattr(value, "concurrency") else "consumer"


def write(line: dict[str, Any]) -> None:
    """One line, whole, whoever else writes."""
    ledger = os.open(os.environ["INTEROP_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(ledger, (json.dumps(line) + "\n").encode())
    os.close(ledger)
