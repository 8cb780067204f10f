"""What a worker of either kind leaves in Redis about the same calls, byte for byte where it can be the same."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.interop.fleet import Fleet, Node
from tests.servers import GivenServer, RedisServer

CALLS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "value": ("interop.add", (2,), {"y": 3}),
    "nothing": ("interop.echo", (), {}),
    "failure": ("interop.boom", ("one", 2), {}),
    "built-in failure": ("interop.key_error", ("k",), {}),
    "retried": ("interop.flaky", (2,), {}),
    "given up": ("interop.hopeless", (), {}),
}


@pytest.mark.parametrize("extended", [False, True], ids=["plain", "extended"])
def test_both_kinds_leave_the_same_records(
    make_fleet: Callable[..., Fleet],
    redis_server: RedisServer | GivenServer,
    redis_db: int,
    version: str,
    extended: bool,
) -> None:
    fleet = make_fleet(result_extended=extended, result_expires=600)
    left: dict[tuple[str, str], dict[str, Any]] = {}
    kinds: dict[str, Callable[[], Node]] = {"celery": lambda: fleet.celery(version, "-P", "solo"), "umbel": fleet.umbel}
    with fleet.umbel_client() as app, redis_server.client(redis_db) as client:
        for kind, start in kinds.items():
            node = start()
            for name, (task, args, kwargs) in CALLS.items():
                result = app.tasks[task].apply_async(args, kwargs)
                result.get(30, propagate=False)
                key = f"celery-task-meta-{result.id}"
                assert 590 < client.ttl(key) <= 600
                left[kind, name] = comparable(json.loads(client.get(key)), result.id)
            assert node.stop() == 0
    for name in CALLS:
        assert left["umbel", name] == left["celery", name], name


def comparable(record: dict[str, Any], id: str) -> dict[str, Any]:
    """The record without what two runs of one call never share; the traceback only says whether there is one."""
    assert record["task_id"] == id
    assert (record["date_done"] or "+00:00").endswith("+00:00")
    record = {**record, "task_id": "id", "date_done": bool(record["date_done"]), "traceback": bool(record["traceback"])}
    if record.get("parent_id") == id:
        record["parent_id"] = "id"
    if "worker" in record:
        record["worker"] = record["worker"].partition("@")[2]
    return record
