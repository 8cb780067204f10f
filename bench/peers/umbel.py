"""Umbel with one prefork process, every feature on, as it comes; no result store where results are not measured."""

from collections.abc import Sequence
from typing import Any

from peers import work
from umbel import Umbel

app = Umbel("peers", broker=work.REDIS, backend=work.REDIS if work.RESULTS else None)
TASKS: dict[str, Any] = {
    name: app.task(getattr(work, name), name=name) for name in ("noop", "mark", "spin", "nap", "anap")
}
RUN = ["umbel", "-A", "peers.umbel", "--quiet", "worker", "-l", "WARNING"]
WIDE = {
    "asyncio": ["anap", *RUN, "-P", "asyncio", "-c", "200"],
    "gevent": ["nap", *RUN, "-P", "gevent", "-c", "200"],
    "threads": ["nap", *RUN, "-P", "threads", "-c", "200"],
}
"""Per kind of lane, the task that waits there and a worker that runs 200 at once. So in every file that has it."""


def worker() -> list[str]:
    return [*RUN, "-c", "1"]


def send(task: str, number: int) -> Any:
    return TASKS[task].delay(number)


def send_many(calls: Sequence[tuple[str, int]]) -> None:
    with app.bulk():
        for task, number in calls:
            TASKS[task].delay(number)


def result(sent: Any) -> Any:
    return sent.get(timeout=60)
