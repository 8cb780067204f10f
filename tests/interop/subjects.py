"""Tasks that run the same under Umbel and under Celery; this module imports neither. Each run is a line in a ledger."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Decorator = Callable[[Callable[..., Any]], Any]


class Boom(Exception):
    """What the user's own code raises."""


def note(app: object, request: Any, *words: object) -> None:
    """One line of the ledger, whole, whoever else writes: who ran what, and how it came."""
    info = request.delivery_info or {}
    line = {
        "by": type(app).__module__.partition(".")[0],
        "pid": os.getpid(),
        "id": request.id,
        "words": words,
        "retries": request.retries,
        "queue": info.get("routing_key"),
        "node": request.hostname,
        "priority": info.get("priority"),
    }
    ledger = os.open(os.environ["INTEROP_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(ledger, json.dumps(line).encode() + b"\n")
    os.close(ledger)


def define(app: Any) -> Any:
    """Give ``app``, of either kind, the tasks."""
    task: Callable[..., Decorator] = app.task

    @task(name="interop.add", bind=True)
    def add(self: Any, x: Any, y: Any = 0) -> Any:
        note(app, self.request, "add", x, y)
        return x + y

    @task(name="interop.echo", bind=True)
    def echo(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        note(app, self.request, "echo")
        return {"args": args, "kwargs": kwargs}

    @task(name="interop.boom", bind=True)
    def boom(self: Any, *args: Any) -> None:
        note(app, self.request, "boom")
        raise Boom(*args)

    @task(name="interop.if_open", bind=True)
    def if_open(self: Any, value: Any, gate: str) -> Any:
        note(app, self.request, "if_open")
        if not Path(gate).exists():
            raise Boom("shut")
        return value

    @task(name="interop.key_error", bind=True)
    def key_error(self: Any, key: Any) -> Any:
        note(app, self.request, "key_error")
        return {}[key]

    @task(name="interop.flaky", bind=True, max_retries=5)
    def flaky(self: Any, times: int, countdown: float = 0.01) -> Any:
        note(app, self.request, "flaky")
        if self.request.retries < times:
            raise self.retry(countdown=countdown)
        return self.request.retries

    @task(name="interop.hopeless", bind=True, max_retries=1)
    def hopeless(self: Any) -> None:
        note(app, self.request, "hopeless")
        try:
            raise Boom("again")
        except Boom as exc:
            raise self.retry(exc=exc, countdown=0.01) from exc

    @task(name="interop.spawn", bind=True)
    def spawn(self: Any, count: int, queue: str) -> list[str]:
        note(app, self.request, "spawn")
        return [echo.apply_async((n,), queue=queue).id for n in range(count)]

    @task(name="interop.listed", bind=True)
    def listed(self: Any, *values: Any) -> list[Any]:
        note(app, self.request, "listed")
        return list(values)

    @task(name="interop.custom_state", bind=True)
    def custom_state(self: Any, gate: str) -> None:
        self.update_state(state="PROGRESS", meta={"done": 3})
        note(app, self.request, "custom_state")
        while not Path(gate).exists():
            pass

    @task(name="interop.gather", bind=True)
    def gather(self: Any, *values: Any) -> list[Any]:
        note(app, self.request, "gather")
        return list(values)

    @task(name="interop.old_errback", bind=True)
    def old_errback(self: Any, task_id: str) -> None:
        note(app, self.request, "old_errback", task_id)

    @task(name="interop.new_errback")
    def new_errback(request: Any, exc: BaseException, traceback: Any) -> None:
        note(app, request, "new_errback", request.id, type(exc).__name__, str(exc))

    return app
