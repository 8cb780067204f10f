"""streaQ: one worker process, asyncio on uvloop, 32 tasks at once, as in its own benchmarks.

Results are kept only where they are measured (``ttl=0``), tasks are not logged (``silent``), ``enqueue_many`` for bulk.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from streaq import Worker

from peers import work

TTL = 3600 if work.RESULTS else 0
pool: Any = Worker(redis_url=work.REDIS, concurrency=work.AT_ONCE or 32, anyio_kwargs={"use_uvloop": True})


@pool.task(name="noop", ttl=TTL, silent=True)
async def noop(number: int) -> int | None:
    return work.noop(number)


@pool.task(name="mark", ttl=TTL, silent=True)
async def mark(number: int) -> int | None:
    return work.mark(number)


@pool.task(name="spin", ttl=TTL, silent=True)
async def spin(number: int) -> int | None:
    return work.spin(number)


@pool.task(name="anap", ttl=TTL, silent=True)
async def anap(number: int) -> int | None:
    return await work.anap(number)


TASKS: dict[str, Any] = {"noop": noop, "mark": mark, "spin": spin, "anap": anap}
RUN = ["streaq", "run", "peers.streaq:pool"]
WIDE = {"asyncio": ["anap", *RUN]}


def worker() -> list[str]:
    return RUN


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    async with pool:
        yield


async def send(task: str, number: int) -> Any:
    return await TASKS[task].enqueue(number)


async def send_many(calls: Sequence[tuple[str, int]]) -> None:
    await pool.enqueue_many([TASKS[task].enqueue(number) for task, number in calls])


async def result(sent: Any) -> Any:
    return (await sent.result(60)).result
