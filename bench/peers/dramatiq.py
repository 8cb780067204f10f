"""Dramatiq with one process of 8 threads, its default number; where 200 wait at once, of as many, or of greenlets.

Nothing else is changed: the prefetch is twice the threads. Results only where they are measured, in its Redis backend,
which it recommends because waiting there is cheap. With hiredis.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from peers import work

broker = RedisBroker(url=work.REDIS)
if work.RESULTS:
    broker.add_middleware(Results(backend=RedisBackend(url=work.REDIS), store_results=True))
dramatiq.set_broker(broker)
TASKS = {name: dramatiq.actor(getattr(work, name), actor_name=name) for name in ("noop", "mark", "spin", "nap")}
MANY = ["peers.dramatiq", "--processes", "1", "--threads", "200"]
WIDE = {"threads": ["nap", "dramatiq", *MANY], "gevent": ["nap", "dramatiq-gevent", *MANY]}


def worker() -> list[str]:
    return ["dramatiq", "peers.dramatiq", "--processes", "1", "--threads", "8"]


def send(task: str, number: int) -> Any:
    return TASKS[task].send(number)


def result(sent: Any) -> Any:
    return sent.get_result(block=True, timeout=60_000)
