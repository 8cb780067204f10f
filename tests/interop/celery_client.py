"""A real Celery as a caller: reads one JSON request a line, and answers each with one JSON line."""

import json
import sys
from datetime import datetime

from celery.result import AsyncResult

from tests.interop.celery_app import app


def send(name, args=(), kwargs=None, **options):
    """Publish; the id."""
    for key in ("eta", "expires"):
        if isinstance(options.get(key), str):
            options[key] = datetime.fromisoformat(options[key])
    return app.tasks[name].apply_async(args, kwargs, **options).id


def send_many(name, count, **options):
    """Publish ``count`` calls with their number; the ids."""
    return [app.tasks[name].apply_async((n,), **options).id for n in range(count)]


def get(id, timeout=30):
    """Wait; the value, or what was raised."""
    try:
        return {"value": AsyncResult(id, app=app).get(timeout=timeout)}
    except Exception as exc:  # noqa: BLE001  whatever it is, the other side is told
        return {"raised": type(exc).__name__, "module": type(exc).__module__, "args": list(map(str, exc.args))}


def get_many(ids, timeout=60):
    """Wait for all; the values."""
    return [AsyncResult(id, app=app).get(timeout=timeout) for id in ids]


def look(id):
    """State and info now."""
    result = AsyncResult(id, app=app)
    return {"state": result.state, "info": repr(result.info), "traceback": result.traceback}


def store(id, result, state):
    """Write a result as a worker does."""
    app.backend.store_result(id, result, state)


def depth(queue):
    """What Celery counts in a queue."""
    with app.connection_for_read() as connection:
        return connection.default_channel._size(queue)


if __name__ == "__main__":
    verbs = {verb.__name__: verb for verb in (send, send_many, get, get_many, look, store, depth)}
    for line in sys.stdin:
        verb, arguments = json.loads(line)
        try:
            answer = {"answer": verbs[verb](**arguments)}
        except Exception as exc:  # noqa: BLE001  likewise
            answer = {"error": repr(exc)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
