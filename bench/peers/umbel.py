"""Umbel with one prefork process, every feature on, as it comes; no result store where results are not measured."""

from collections.abc import Sequence
from typing import Any

from peers import work
from umbel import Umbel

app = Umbel("peers", broker=work.REDIS, backend=work.REDIS if work.RESULTS else None)
TASKS: dict[str, Any] = {name: app.task(getattr(work, name), name=name) for name in ("noop", "mark", "spin")}


def worker() -> list[str]:
    return ["umbel", "-A", "peers.umbel", "--quiet", "worker", "-c", "1", "-l", "WARNING"]


def send(task: str, number: int) -> Any:
    return TASKS[task].delay(number)


def send_many(calls: Sequence[tuple[str, int]]) -> None:
    with app.bulk():
        for task, number in calls:
            TASKS[task].delay(number)


def result(sent: Any) -> Any:
    return sent.get(timeout=60)
