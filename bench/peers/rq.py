"""rq with its SimpleWorker, which runs jobs in its own process.

From "Notes on Performance" (docs/benchmark.md): SimpleWorker is six times as fast as the default Worker, which forks
for every job. Results expire at once where they are not measured (``result_ttl=0``), descriptions are not logged.
``enqueue_many`` in a pipeline for bulk; ``latest_result(timeout)`` blocks on the server.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
from collections.abc import Sequence
from typing import Any

from redis import Redis
from rq import Queue

from peers import work

TTL = 3600 if work.RESULTS else 0
queue = Queue("peers", connection=Redis.from_url(work.REDIS))


def worker() -> list[str]:
    line = ["rq", "worker", "-u", work.REDIS, "-w", "rq.worker.SimpleWorker", "-q", "--disable-job-desc-logging"]
    return [*line, "peers"]


def send(task: str, number: int) -> Any:
    return queue.enqueue(getattr(work, task), number, result_ttl=TTL)


def send_many(calls: Sequence[tuple[str, int]]) -> None:
    queue.enqueue_many([Queue.prepare_data(getattr(work, task), (number,), result_ttl=TTL) for task, number in calls])


def result(sent: Any) -> Any:
    return sent.latest_result(timeout=60).return_value
