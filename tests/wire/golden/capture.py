"""Writes the golden files beside it from a real Celery. Run by hand, where Celery is installed; no test runs it.

Each message is what Celery hands to kombu's in-memory transport, which is element for element what it pushes to Redis.
The body is taken out of the envelope and written as text, since Umbel's head and body are apart.
"""

import base64
import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import celery  # type: ignore[import-not-found]  # run by hand, where it is installed
import kombu  # type: ignore[import-not-found]
from celery import Celery
from kombu.utils import json as kombu_json  # type: ignore[import-not-found]

HERE = Path(__file__).parent
ID = "11111111-2222-3333-4444-555555555555"
WHEN = datetime(2026, 11, 20, 15, 36, 22, 847286, tzinfo=UTC)

VALUES = {
    "datetime": WHEN,
    "naive": datetime(2026, 11, 20, 15, 36, 22),
    "date": date(2026, 11, 20),
    "time": time(15, 36, 22, 5),
    "decimal": Decimal("12.50"),
    "uuid": UUID(ID),
    "bytes": b"plain",
    "base64": b"\xff\x00\xfe",
    "tuple": (1, (2,)),
    "big": 2**80,
    "negative": -(2**63) - 1,
    "float": 0.1,
    "text": "gr\u00fc\u00df \U0001f33f \ud800",
    "keys": {7: "int", 2.5: "float", True: "bool", None: "none"},
}


Send = Callable[[Any, Any, Any], Any]  # given the app and its two tasks, sends one message


def message(send: Send) -> dict[str, str]:
    """Send one message, and take it off the queue as kombu stored it."""
    app = Celery("golden", broker="memory://", set_as_current=False)

    task: Callable[..., Callable[[Callable[..., None]], Any]] = app.task

    @task(name="golden.add")
    def add(x: Any, y: Any = 0) -> None: ...

    @task(name="golden.end")
    def end(*args: Any) -> None: ...

    send(app, add, end)
    with app.connection_for_read() as connection:
        payload = connection.default_channel._get("celery")
    body = payload.pop("body")
    if payload["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body).decode()
    if "origin" in payload["headers"]:
        payload["headers"]["origin"] = "gen1@host"  # not the name of the machine that captured this
    return {"head": kombu_json.dumps(payload), "body": body}


def protocol_1(app: Any, add: Any, end: Any) -> None:
    app.conf.task_protocol = 1
    add.apply_async((1,), {"y": 2}, task_id=ID, eta=WHEN, expires=WHEN + timedelta(hours=1), link=end.s())


MESSAGES: dict[str, Send] = {
    "plain": lambda app, add, end: add.apply_async((2, 2), task_id=ID),
    "everything": lambda app, add, end: add.apply_async(
        (1,),
        {"y": 2},
        task_id=ID,
        eta=WHEN,
        expires=WHEN + timedelta(days=3650),
        time_limit=30,
        soft_time_limit=20.5,
        priority=5,
        shadow="shown",
        ignore_result=True,
        headers={"trace": "abc", "when": WHEN},
        link=end.s(),
        link_error=end.si(),
        stamped_headers=["job"],
        job="J1",
        reply_to="someone",
        root_id="root",
        parent_id="parent",
    ),
    "chain": lambda app, add, end: (add.s(1) | end.s() | add.si(3)).apply_async(task_id=ID),
    "by_name": lambda app, add, end: app.send_task("golden.add", (2,), task_id=ID),
    "wrapped": lambda app, add, end: add.apply_async((VALUES,), task_id=ID),
    "numeric_id": lambda app, add, end: add.apply_async((1,), task_id=7),
    "protocol_1": protocol_1,
}


def main() -> None:
    """Write the files."""
    versions = {"celery": celery.__version__, "kombu": kombu.__version__, "python": sys.version.split()[0]}
    found: dict[str, Any] = {"versions": versions, "messages": {name: message(send) for name, send in MESSAGES.items()}}
    found["values"] = {name: kombu_json.dumps(value) for name, value in VALUES.items()}
    found["values"]["nan"] = kombu_json.dumps([float("nan"), float("inf"), float("-inf")])
    (HERE / "celery.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
