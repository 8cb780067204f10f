"""huey with one worker thread.

Of its consumer's options: the thread worker, no periodic tasks (-n), no health check (-C), quiet. Of its storage's: a
blocking pop, its default; results only where they are measured, and then ``notify_result``, so that waiting does not
poll.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
from typing import Any

from huey import RedisHuey

from peers import work

queue = RedisHuey("peers", url=work.REDIS, results=work.RESULTS, notify_result=work.RESULTS)
TASKS = {name: queue.task(name=name)(getattr(work, name)) for name in ("noop", "mark", "spin")}


def worker() -> list[str]:
    return ["huey_consumer", "peers.huey.queue", "-k", "thread", "-w", "1", "-n", "-C", "-q"]


def send(task: str, number: int) -> Any:
    return TASKS[task](number)


def result(sent: Any) -> Any:
    return sent.get(blocking=True, timeout=60)
