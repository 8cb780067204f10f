"""A real Celery as a caller: reads one JSON request a line, and answers each with one JSON line."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from celery import (  # type: ignore[import-not-found]  # a dependency of the other environment
    signature as celery_signature,
)
from celery.canvas import maybe_signature  # type: ignore[import-not-found]  # likewise
from celery.result import AsyncResult, GroupResult  # type: ignore[import-not-found]  # likewise

from tests.interop.celery_app import app


def send(name: str, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None, **options: Any) -> Any:
    """Publish; the id."""
    for key in ("eta", "expires"):
        if isinstance(options.get(key), str):
            options[key] = datetime.fromisoformat(options[key])
    return app.tasks[name].apply_async(args, kwargs, **options).id


def send_many(name: str, count: int, **options: Any) -> list[Any]:
    """Publish ``count`` calls with their number; the ids."""
    return [app.tasks[name].apply_async((n,), **options).id for n in range(count)]


def run_canvas(signatures: list[Any], timeout: float = 30) -> list[Any]:
    """Call each of these signatures, and wait for all; the values."""
    results = [maybe_signature(one, app).apply_async() for one in signatures]
    return [result.get(timeout=timeout) for result in results]


def get(id: str, timeout: float = 30) -> dict[str, Any]:
    """Wait; the value, or what was raised."""
    try:
        return {"value": AsyncResult(id, app=app).get(timeout=timeout)}
    except Exception as exc:  # noqa: BLE001  whatever it is, the other side is told
        return {"raised": type(exc).__name__, "module": type(exc).__module__, "args": list(map(str, exc.args))}


def get_many(ids: list[str], timeout: float = 60) -> list[Any]:
    """Wait for all; the values."""
    return [AsyncResult(id, app=app).get(timeout=timeout) for id in ids]


def look(id: str) -> dict[str, Any]:
    """State and info now."""
    result = AsyncResult(id, app=app)
    return {"state": result.state, "info": repr(result.info), "traceback": result.traceback}


def store(id: str, result: Any, state: str) -> None:
    """Write a result as a worker does."""
    app.backend.store_result(id, result, state)


def send_workflow(name: str, signature: dict[str, Any]) -> Any:
    """Call a signature; its result tuple. ``name`` is for the log."""
    return celery_signature(signature, app=app).apply_async().as_tuple()


def get_workflow(id: Any, timeout: float = 20) -> dict[str, Any]:
    """Wait for a workflow by its result tuple; the value, or what was raised."""
    try:
        return {"value": _value(id, timeout)}
    except Exception as exc:  # noqa: BLE001  whatever it is, the other side is told
        return {"raised": type(exc).__name__, "args": list(map(str, exc.args))}


def _value(found: Any, timeout: float) -> Any:
    """Member by member: GroupResult.get() of 5.6 misses what ended before it subscribed."""
    (task_id, _), members = found
    if members is not None:
        return [_value(member, timeout) for member in members]
    return AsyncResult(task_id, app=app).get(timeout=timeout)


def speak(protocol: int) -> None:
    """Publish by this protocol from now on."""
    app.conf.task_protocol = protocol
    app.amqp.__dict__.pop("create_task_message", None)


def save_group(id: str, members: list[str]) -> None:
    """Save a group, with a group in it at the end."""
    inner = GroupResult(f"{id}-inner", [AsyncResult(members[-1], app=app)], app=app)
    before = AsyncResult(f"{id}-before", app=app)
    GroupResult(id, [*(AsyncResult(one, app=app) for one in members[:-1]), inner], parent=before, app=app).save()


def restore_group(id: str) -> Any:
    """The result tuple of a saved group, which is deleted."""
    found = GroupResult.restore(id, app=app)
    found.delete(app.backend)
    return [found.as_tuple(), GroupResult.restore(id, app=app)]


def depth(queue: str) -> Any:
    """What Celery counts in a queue."""
    with app.connection_for_read() as connection:
        return connection.default_channel._size(queue)


def declare(queue: str) -> None:
    """Declare the exchange of a queue: publishing to a broadcast does not, and does then not know its type."""
    with app.producer_pool.acquire() as producer:
        app.amqp.queues[queue].exchange(producer.channel).declare()


if __name__ == "__main__":
    verbs = {
        verb.__name__: verb
        for verb in (
            send,
            send_many,
            run_canvas,
            get,
            get_many,
            look,
            store,
            send_workflow,
            get_workflow,
            speak,
            save_group,
            restore_group,
            depth,
            declare,
        )
    }
    for line in sys.stdin:
        verb, arguments = json.loads(line)
        try:
            answer = {"answer": verbs[verb](**arguments)}
        except Exception as exc:  # noqa: BLE001  likewise
            answer = {"error": repr(exc)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
