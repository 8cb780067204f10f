"""SAQ: one worker process, asyncio on uvloop, ten jobs at once (its default, and that of its own benchmark).

With hiredis, as its README offers. Jobs leave nothing behind where results are not measured (``ttl=-1``). ``apply``
polls, here every millisecond (0.5 s by default). ``map`` waits for results, so it is not counted as bulk.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from saq import Queue

from peers import work

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
TTL = 3600 if work.RESULTS else -1
queue = Queue.from_url(work.REDIS, name="peers")


async def noop(_: Any, *, number: int) -> int | None:
    return work.noop(number)


async def mark(_: Any, *, number: int) -> int | None:
    return work.mark(number)


async def spin(_: Any, *, number: int) -> int | None:
    return work.spin(number)


async def anap(_: Any, *, number: int) -> int | None:
    return await work.anap(number)


settings = {"queue": queue, "functions": [noop, mark, spin, anap], "concurrency": work.AT_ONCE or 10}
RUN = ["saq", "peers.saq.settings", "--quiet"]
WIDE = {"asyncio": ["anap", *RUN]}


def worker() -> list[str]:
    return RUN


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    await queue.connect()
    yield
    await queue.disconnect()


async def send(task: str, number: int) -> Any:
    return await queue.enqueue(task, number=number, ttl=TTL)


async def call(number: int) -> Any:
    return await queue.apply("noop", timeout=60, poll_interval=0.001, number=number)
