"""The mover: carries what waits in one broker to another. Runs no task. A kill in the middle loses nothing.

It claims at the source like a worker, publishes at the destination, and only then acknowledges. Delayed messages are
made ready first; their due time travels in the message, so that they wait again where they arrive.
"""

import secrets
from collections.abc import Callable, Mapping

from umbel.broker.base import Admin, Broker, Consumer, Producer
from umbel.core.delivery import (
    Accepted,
    Ack,
    ConsumerId,
    Delivery,
    Outgoing,
    Release,
    Settlement,
    Want,
)
from umbel.core.errors import OperationalError
from umbel.core.message import Message
from umbel.core.options import timestamp

BATCH = 100
LEASE = 30.0


class Mover:
    """Moves queues from ``source`` to ``destination``. ``renamed``: source queue to destination queue.

    ``wanted`` says which messages go, by task name; the others stay. ``deadline`` bounds each publish, in seconds.
    """

    def __init__(
        self,
        source: Broker,
        destination: Broker,
        *,
        renamed: Mapping[str, str],
        wanted: Callable[[str], bool] = lambda task: True,
        deadline: float = 5.0,
    ) -> None:
        self._source = source
        self._destination = destination
        self._renamed = renamed
        self._wanted = wanted
        self._deadline = deadline
        self.moved = 0
        self.left = 0

    async def run(self, *, limit: int | None = None, on_progress: Callable[[int], None] = lambda moved: None) -> int:
        """Move everything that waits, or ``limit`` messages, and say how many. Raises ``OperationalError``."""
        id, queues = ConsumerId(secrets.token_hex(16)), tuple(self._renamed)
        consumer = self._source.consumer(id, node="umbel migrate", queues=())
        keeper, producer = self._source.keeper(consumer), self._destination.producer()
        try:
            await consumer.open(lease=LEASE, width=0)
            for queue in queues:
                await self._queue(consumer, keeper, producer, queue, limit, on_progress)
        finally:
            await consumer.close()
            await keeper.close()
            await producer.close()
        return self.moved

    async def _queue(
        self,
        consumer: Consumer,
        keeper: Admin,
        producer: Producer,
        queue: str,
        limit: int | None,
        on_progress: Callable[[int], None],
    ) -> None:
        kept: list[Delivery] = []
        while limit is None or self.moved < limit:
            most = BATCH if limit is None else min(BATCH, limit - self.moved)
            turn = await consumer.exchange([], Want((queue,), most))
            if not turn.deliveries:
                if not await keeper.hasten(queue, most):
                    break
                continue
            going = [one for one in turn.deliveries if self._goes(one)]
            kept += [one for one in turn.deliveries if not self._goes(one)]
            await self._carry(consumer, producer, queue, going)
            on_progress(self.moved)
        self.left += len(kept)
        back = [Settlement(one.ticket, Release(front=True)) for one in kept]
        await consumer.exchange(back, Want((), 0))

    def _goes(self, one: Delivery) -> bool:
        """What cannot be read stays where it is, for a person to see."""
        return one.message is not None and self._wanted(one.message.headers.task)

    async def _carry(self, consumer: Consumer, producer: Producer, queue: str, going: list[Delivery]) -> None:
        messages = [one.message for one in going if one.message is not None]
        target = self._renamed[queue]
        outgoing = [Outgoing(target, _addressed(message, target), due_of(message)) for message in messages]
        receipts = await producer.publish(outgoing, deadline=self._deadline) if outgoing else []
        settlements = []
        for one, receipt in zip(going, receipts, strict=True):
            arrived = isinstance(receipt, Accepted)
            self.moved += arrived
            settlements.append(Settlement(one.ticket, Ack() if arrived else Release(front=True)))
        await consumer.exchange(settlements, Want((), 0))
        refused = [receipt for receipt in receipts if not isinstance(receipt, Accepted)]
        if refused:
            raise OperationalError(f"{len(refused)} messages were not accepted and stay: {refused[0].error}")


def due_of(message: Message) -> float | None:
    """When a message may run, in wall seconds: its ``eta``, which without an offset means UTC."""
    if message.headers.eta is None:
        return None
    try:
        return timestamp(message.headers.eta)
    except (ValueError, OverflowError):
        return None


def _addressed(message: Message, queue: str) -> Message:
    """The message as if it had been sent to ``queue`` in the first place."""
    info = message.properties.delivery_info
    if not info.exchange:
        info.routing_key = queue
    return message
