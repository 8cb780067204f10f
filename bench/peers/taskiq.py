"""taskiq with taskiq-redis: one worker process, asyncio on uvloop.

RedisStreamBroker, which its README recommends (the list broker loses messages with a worker); 100 messages per read,
its default. From "CLI": ``--no-parse`` (arguments are not checked by pydantic) and 100 tasks at once, its default, with
a prefetch of as many; 200 each, per read too, where 200 wait at once. ``wait_result`` polls; every millisecond here:
its default of 0.2 s would be its round trip.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from peers import work

broker = RedisStreamBroker(work.REDIS, consumer_id="0", xread_count=work.AT_ONCE or 100)
if work.RESULTS:
    broker = broker.with_result_backend(RedisAsyncResultBackend(work.REDIS, result_ex_time=3600))


@broker.task(task_name="noop")
async def noop(number: int) -> int | None:
    return work.noop(number)


@broker.task(task_name="mark")
async def mark(number: int) -> int | None:
    return work.mark(number)


@broker.task(task_name="spin")
async def spin(number: int) -> int | None:
    return work.spin(number)


@broker.task(task_name="anap")
async def anap(number: int) -> int | None:
    return await work.anap(number)


TASKS = {"noop": noop, "mark": mark, "spin": spin, "anap": anap}
RUN = ["taskiq", "worker", "peers.taskiq:broker", "--workers", "1", "--no-parse", "--log-level", "WARNING"]
WIDE = {"asyncio": ["anap", *RUN, "--max-async-tasks", "200", "--max-prefetch", "200"]}


def worker() -> list[str]:
    return [*RUN, "--max-async-tasks", "100", "--max-prefetch", "100"]


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    await broker.startup()
    yield
    await broker.shutdown()


async def send(task: str, number: int) -> Any:
    return await TASKS[task].kiq(number)


async def result(sent: Any) -> Any:
    return (await sent.wait_result(check_interval=0.001, timeout=60)).return_value
