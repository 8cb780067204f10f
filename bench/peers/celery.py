"""Celery with one prefork process; where 200 wait at once, with gevent.

From its guide "Optimizing": a prefetch multiplier of 128 for many short tasks ("say 64, or 128"). Beside
that no gossip, mingle and heartbeat, rate limits off, events off; no backend where results are not measured.
Acknowledged early, its default. With hiredis.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
from typing import Any

from celery import Celery

from peers import work

app = Celery("peers", broker=work.REDIS, backend=work.REDIS if work.RESULTS else None)
app.conf.update(
    worker_prefetch_multiplier=128,
    worker_disable_rate_limits=True,
    task_ignore_result=not work.RESULTS,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)
POOL = "prefork"
TASKS = {name: app.task(getattr(work, name), name=name) for name in ("noop", "mark", "spin", "nap")}
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING"]
RUN = ["celery", "-q", "-A", "peers.celery", "worker", *QUIET]
WIDE = {"gevent": ["nap", *RUN, "-P", "gevent", "-c", "200"]}


def worker(pool: str = POOL) -> list[str]:
    return [*RUN, "-P", pool, "-c", "1"]


def send(task: str, number: int) -> Any:
    return TASKS[task].delay(number)


def result(sent: Any) -> Any:
    return sent.get(timeout=60)
