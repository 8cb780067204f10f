"""What all suites stand on: the site that an adapter gives, an event loop per test, and words for common steps."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import pytest

from umbel.broker.base import Admin, Broker, Consumer
from umbel.core.delivery import (
    Accepted,
    Ack,
    ConsumerId,
    Delivery,
    Depth,
    Disposition,
    Loss,
    Outgoing,
    Settled,
    Settlement,
    Turn,
    Want,
)
from umbel.core.message import Headers, Message, Properties
from umbel.core.record import Record
from umbel.result.base import Store
from umbel.runtime.clock import Clock
from umbel.testing.clock import FakeClock

QUEUE = "celery"
LEASE = 30.0
LOSS = Loss(at=5.0, node="n1", pid=77, signal=9, why="killed by signal 9")

P = ParamSpec("P")
S = TypeVar("S", bound="Closing")


class Site(Protocol):
    """Where an adapter's parts come from: an empty broker and store of one server, made anew for every test."""

    clock: Clock

    def broker(self) -> Broker:
        """A broker on the server, as another process would open it."""

    def store(self) -> Store:
        """A store on the same server."""

    def store_elsewhere(self) -> Store:
        """A store on another server."""

    def bad_op(self) -> Any:
        """An operation as ``compile`` makes them, that the server refuses."""

    def put_garbage(self, queue: str) -> None:
        """Put bytes into a queue that are no message."""

    def lapse(self, consumer: Consumer) -> None:
        """Make it look as if the consumer's process had died: its lease ends, whatever that is for this adapter."""

    def close(self) -> None:
        """Free everything."""


class Closing(Protocol):
    """A suite that opens things."""

    async def close_all(self) -> None:
        """Close them."""


def asynchronous(test: Callable[Concatenate[S, P], Awaitable[None]]) -> Callable[Concatenate[S, P], None]:
    """Run a coroutine test on an event loop of its own, and close what it opened."""

    @wraps(test)
    def run(self: S, *args: P.args, **kwargs: P.kwargs) -> None:
        async def body() -> None:
            try:
                await test(self, *args, **kwargs)
            finally:
                await self.close_all()

        asyncio.run(body())

    return cast(Callable[Concatenate[S, P], None], run)


class Suite:
    """What all suites share."""

    site: Site
    broker: Broker

    def make_site(self, folder: Path) -> Site:
        """The adapter's site for one test, which may use an empty folder."""
        raise NotImplementedError(f"{type(self).__name__} says how to make its site: override make_site")

    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path: Path) -> Iterator[None]:
        self.site = self.make_site(tmp_path)
        self.broker = self.site.broker()
        self._consumers: list[Consumer] = []
        yield
        self.broker.close()
        self.site.close()

    async def close_all(self) -> None:
        for consumer in self._consumers:
            await consumer.close()

    def now(self) -> float:
        """Wall time by the clock of the site."""
        return self.site.clock.now()

    def advance(self, seconds: float) -> None:
        """Let time pass, where the site has a clock that a test turns."""
        assert isinstance(self.site.clock, FakeClock)
        self.site.clock.advance(seconds)

    def urgent(self, rank: int) -> int:
        """A priority that is the more urgent the higher ``rank`` (0 to 9) is, by the numbers of this adapter."""
        return rank if self.broker.features.urgent_first == "higher" else 9 - rank

    def urgency(self, priority: int | None) -> int:
        """How early a message of this priority is claimed: the lower the earlier."""
        features = self.broker.features
        step = max(step for step in features.priority_steps if step <= max(priority or 0, features.priority_steps[0]))
        return -step if features.urgent_first == "higher" else step

    # Things to work with ----------------------------------------------------------------------------------------------

    async def consumer(self, *queues: str, width: int = 1, broker: Broker | None = None) -> Consumer:
        consumer = (broker or self.broker).consumer(new_id(), node="n1", queues=queues or (QUEUE,))
        self._consumers.append(consumer)
        await consumer.open(lease=LEASE, width=width)
        return consumer

    async def keeper(self) -> tuple[Consumer, Admin]:
        consumer = self.broker.consumer(new_id(), node="n2", queues=())
        self._consumers.append(consumer)
        await consumer.open(lease=LEASE, width=0)
        return consumer, self.broker.keeper(consumer)

    async def publish(self, *messages: Outgoing) -> None:
        receipts = await self.broker.producer().publish(messages, deadline=5)
        assert [type(receipt) for receipt in receipts] == [Accepted] * len(messages)

    async def claim(self, consumer: Consumer, limit: int = 100, *queues: str) -> list[Delivery]:
        turn = await consumer.exchange([], Want(queues or (QUEUE,), limit))
        assert not turn.lost
        return turn.deliveries

    async def settle(self, consumer: Consumer, *settlements: Settlement) -> Turn:
        return await consumer.exchange(settlements, Want((), 0))

    async def dispose(self, consumer: Consumer, delivery: Delivery, disposition: Disposition) -> None:
        turn = await self.settle(consumer, Settlement(delivery.ticket, disposition))
        assert [type(verdict) for verdict in turn.verdicts] == [Settled]

    async def drain(self, consumer: Consumer, *queues: str) -> list[Delivery]:
        """Claim and acknowledge until nothing is left."""
        found: list[Delivery] = []
        while batch := await self.claim(consumer, 100, *queues):
            await self.settle(consumer, *[Settlement(one.ticket, Ack()) for one in batch])
            found += batch
        return found

    async def depth(self, queue: str = QUEUE) -> Depth:
        _, keeper = await self.keeper()
        (depth,) = await keeper.survey([queue])
        return depth


def new_id() -> ConsumerId:
    """An id as a worker makes them."""
    return ConsumerId(uuid.uuid4().hex)


def call(
    name: str = "tasks.add",
    *,
    queue: str = QUEUE,
    priority: int | None = 0,
    due: float | None = None,
    body: bytes = b"[]",
) -> Outgoing:
    """A message on its way; its task id is ``name`` if that is short enough to tell tests apart."""
    headers = Headers(task=name, id=name)
    return Outgoing(queue, Message(headers, Properties(correlation_id=name, priority=priority), body), due)


def names(deliveries: Sequence[Delivery]) -> list[str]:
    """The task names, in order."""
    return [one.message.headers.task if one.message else "?" for one in deliveries]


def success(task_id: str) -> Record:
    """A result to store."""
    return Record("SUCCESS", 4, task_id=task_id)
