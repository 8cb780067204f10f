"""Writes ``redis-VERSION.json`` beside it from a real Celery on a real Redis. Run by hand; no test runs it.

    PYTHON_WITH_CELERY tests/wire/golden/capture_redis.py redis://127.0.0.1:PORT/0

The database is emptied before every capture. Bytes are in base64, because some of them are no text.
"""

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import celery  # type: ignore[import-not-found]  # run by hand, where it is installed
import kombu  # type: ignore[import-not-found]
import redis
from capture import ID, MESSAGES, WHEN  # type: ignore[import-not-found]  # a script's sibling
from celery import Celery, states
from celery.app.task import Context  # type: ignore[import-not-found]

HERE = Path(__file__).parent
OTHER = "99999999-2222-3333-4444-555555555555"
Send = Callable[[Any, Any, Any], Any]  # given the app and its two tasks, sends one message
Store = Callable[[Any], Any]  # given the backend, stores one result


def app_on(url: str, backend: str | None = None, **settings: Any) -> tuple[Any, Any, Any]:
    """An app with two tasks, and what its database holds afterwards is the capture."""
    app = Celery("golden", broker=url, backend=backend, set_as_current=False)
    app.conf.update(settings)
    task: Callable[..., Callable[[Callable[..., None]], Any]] = app.task

    @task(name="golden.add")
    def add(x: Any, y: Any = 0) -> None: ...

    @task(name="golden.end")
    def end(*args: Any) -> None: ...

    return app, add, end


def element(url: str, send: Send, **settings: Any) -> dict[str, str]:
    """The one list element that ``send`` leaves, and the list's key."""
    client: Any = redis.Redis.from_url(url)
    client.flushdb()
    app, add, end = app_on(url, **settings)
    send(app, add, end)
    (key,) = [key for key in client.scan_iter() if client.type(key) == b"list"]
    (raw,) = client.lrange(key, 0, -1)
    return {"key": key.decode(), "bytes": text(raw.replace(origin(raw), b'"gen1@host"'))}


def origin(raw: bytes) -> bytes:
    """The machine that captured this is nobody's business."""
    found = json.loads(raw)["headers"].get("origin")
    return json.dumps(found).encode() if found else b"\0"


def text(raw: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(raw).decode()


def redelivered(app: Any, add: Any, end: Any) -> None:
    """A worker took it and went away."""
    add.apply_async((2, 2), task_id=ID)
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        message = app.amqp.queues["celery"](channel).get()
        channel.qos.restore_by_tag(message.delivery_tag)


def routed(app: Any, add: Any, end: Any) -> None:
    """By a topic exchange."""
    exchange = kombu.Exchange("media", type="topic")
    app.conf.task_queues = [kombu.Queue("videos", exchange, routing_key="media.video.#")]
    add.apply_async((2, 2), task_id=ID, queue="videos", routing_key="media.video.mp4")


ELEMENTS: dict[str, tuple[Send, dict[str, Any]]] = {
    **{name: (send, {}) for name, send in MESSAGES.items() if name != "wrapped"},
    "redelivered": (redelivered, {}),
    "routed": (routed, {}),
    "pickled": (lambda app, add, end: add.apply_async(({1, 2},), task_id=ID, serializer="pickle"), {}),
    "compressed": (lambda app, add, end: add.apply_async((2, 2), task_id=ID, compression="zlib"), {}),
}


def result(url: str, store: Store, task_id: str = ID, **settings: Any) -> dict[str, Any]:
    """What ``store`` leaves under the task's key, and its time to live."""
    client: Any = redis.Redis.from_url(url)
    client.flushdb()
    app, _, _ = app_on(url, url, **settings)
    store(app.backend)
    (key,) = client.keys()
    return {"key": key.decode(), "bytes": text(client.get(key)), "ttl": client.ttl(key)}


def fail(backend: Any) -> None:
    """As a worker does."""
    try:
        raise KeyError("boom")
    except KeyError as exc:
        backend.mark_as_failure(ID, exc, "Traceback: …")


def context() -> Any:
    """What a worker knows of the call."""
    return Context(
        id=ID, task="golden.add", args=[2, 2], kwargs={"when": WHEN}, hostname="w1@host", retries=1,
        delivery_info={"routing_key": "celery"}, parent_id="parent", group="group", children=[], root_id=ID,
    )  # fmt: skip


RESULTS: dict[str, tuple[Store, dict[str, Any]]] = {
    "success": (lambda backend: backend.mark_as_done(ID, 4), {}),
    "failure": (fail, {}),
    "started": (lambda backend: backend.mark_as_started(ID, pid=1, hostname="w1@host"), {}),
    "progress": (lambda backend: backend.store_result(ID, {"done": 3}, "PROGRESS"), {}),
    "revoked": (lambda backend: backend.mark_as_revoked(ID, "revoked"), {}),
    "wrapped": (lambda backend: backend.mark_as_done(ID, {"when": WHEN}), {}),
    "extended": (lambda backend: backend.mark_as_done(ID, 4, request=context()), {"result_extended": True}),
    "for_ever": (lambda backend: backend.mark_as_done(ID, 4), {"result_expires": None}),
    "prefixed": (
        lambda backend: backend.mark_as_done(ID, 4),
        {"result_backend_transport_options": {"global_keyprefix": "px"}},
    ),
    "prefixed_with_dot": (
        lambda backend: backend.mark_as_done(ID, 4),
        {"result_backend_transport_options": {"global_keyprefix": "px."}},
    ),
    "retry": (lambda backend: backend.mark_as_retry(ID, ValueError("again"), "Traceback: …"), {}),
    **{
        f"compressed_{name}": (lambda backend: backend.mark_as_done(ID, "x" * 1000), {"result_compression": name})
        for name in ("zlib", "bzip2", "lzma")
    },
}


def main(url: str) -> None:
    """Write the file."""
    assert states.SUCCESS == "SUCCESS"
    versions = {"celery": celery.__version__, "kombu": kombu.__version__, "redis-py": redis.__version__}
    found = {
        "versions": versions,
        "elements": {name: element(url, send, **settings) for name, (send, settings) in ELEMENTS.items()},
        "results": {name: result(url, store, **settings) for name, (store, settings) in RESULTS.items()},
    }
    redis.Redis.from_url(url).flushdb()
    (HERE / f"redis-{celery.__version__}.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
