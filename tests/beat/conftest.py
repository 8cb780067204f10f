"""A scheduler inside the test: on a memory broker, with a clock that the test turns."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest

from umbel import Umbel
from umbel.app import ambient
from umbel.beat import Scheduler
from umbel.core.delivery import Ack, ConsumerId, Settlement, Want
from umbel.testing import FakeClock
from umbel.wire import body, envelope

START = 1_795_000_000.0
"""A time in November 2026."""


class Stage:
    """One timetable: apps and schedulers on it, and what they published."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.url = f"memory://{uuid.uuid4().hex}"
        self.apps: list[Umbel] = []

    def app(self, url: str | None = None, **settings: Any) -> Umbel:
        made = Umbel("stage", broker=url or self.url, clock=self.clock, set_as_current=False, **settings)
        self.apps.append(made)
        return made

    @asynccontextmanager
    async def running(self, app: Umbel) -> AsyncIterator[Scheduler]:
        scheduler = Scheduler(app)
        work = asyncio.ensure_future(scheduler.run())
        try:
            await self.settle()
            yield scheduler
        finally:
            scheduler.stop()
            await work

    async def settle(self, rounds: int = 60) -> None:
        """Let everything run that can run without time passing."""
        for _ in range(rounds):
            await asyncio.sleep(0)

    async def pass_by(self, seconds: float, step: float = 0.5) -> None:
        """Turn the clock in small steps, and let everybody act at each."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            await self.settle()

    async def sent(self, app: Umbel) -> list[tuple[str, float, Any]]:
        """What was published since the last look: entry, due seconds after the start, keyword arguments."""
        consumer = app.broker.consumer(ConsumerId(uuid.uuid4().hex), node="n", queues=("celery",))
        await consumer.open(lease=1e9, width=1)
        found = []
        while deliveries := (await consumer.exchange([], Want(("celery",), 200))).deliveries:
            await consumer.exchange([Settlement(one.ticket, Ack()) for one in deliveries], Want((), 0))
            for one in deliveries:
                assert one.message is not None
                headers = envelope.custom_headers(one.message) or {}
                due = _seconds(headers["periodic_task_due"])
                _, kwargs, _ = body.decode(one.message, frozenset({"application/json"}))
                found.append((headers["periodic_task_name"], due - START, kwargs))
        await consumer.close()
        return found


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.fixture
def stage() -> Iterator[Stage]:
    shared, current = list(ambient._shared), list(ambient._current)
    made = Stage()
    yield made
    for app in made.apps:
        app.close()
    ambient._shared[:], ambient._current[:] = shared, current


@pytest.fixture
def play(stage: Stage) -> Callable[[Callable[[], Any]], None]:
    """Run a coroutine function on a loop of its own."""
    return lambda scene: asyncio.run(scene())
