"""arq: one worker process, asyncio on uvloop.

By default it looks for jobs every 0.5 s and runs 10 at once; here every
5 ms, 100 at once, 500 per look (``poll_delay``, ``max_jobs``, ``queue_read_limit``), in its favour.
Results are kept only where they are measured (``keep_result=0``). Waiting polls too, here every millisecond.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

from peers import work

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


async def noop(_: Any, number: int) -> int | None:
    return work.noop(number)


async def mark(_: Any, number: int) -> int | None:
    return work.mark(number)


async def spin(_: Any, number: int) -> int | None:
    return work.spin(number)


async def anap(_: Any, number: int) -> int | None:
    return await work.anap(number)


class WorkerSettings:
    functions = [noop, mark, spin, anap]
    redis_settings = RedisSettings.from_dsn(work.REDIS)
    poll_delay = 0.005
    max_jobs = work.AT_ONCE or 100
    queue_read_limit = 500
    keep_result = 3600 if work.RESULTS else 0
    log_results = False


pool: ArqRedis


RUN = ["arq", "peers.arq.WorkerSettings", "--custom-log-dict", "peers.arq.QUIET"]
WIDE = {"asyncio": ["anap", *RUN]}


def worker() -> list[str]:
    return RUN


QUIET = {"version": 1, "loggers": {"arq": {"level": "WARNING"}}}


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    global pool
    pool = await create_pool(RedisSettings.from_dsn(work.REDIS))
    yield
    await pool.aclose()


async def send(task: str, number: int) -> Any:
    return await pool.enqueue_job(task, number)


async def result(sent: Any) -> Any:
    return await sent.result(timeout=60, poll_delay=0.001)
