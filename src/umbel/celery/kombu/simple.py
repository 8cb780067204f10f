"""kombu's ``SimpleQueue``: a queue of messages with ``put`` and ``get``."""

from queue import Empty
from typing import Any

from umbel.celery.kombu.connection import Connection
from umbel.celery.kombu.message import Message
from umbel.celery.kombu.messaging import Consumer, Producer
from umbel.core.queues import Queue


class SimpleQueue:
    """A queue by its name, through a connection. ``with`` closes it; messages that were got are to be acknowledged."""

    Empty = Empty
    no_ack = False

    def __init__(self, channel: Connection, name: Any, no_ack: bool | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"SimpleQueue() has no option {min(kwargs)!r}")
        self.channel = channel
        self.queue = Queue.of(name)
        self.producer = Producer(channel, self.queue.exchange, self.queue.routing_key or self.queue.name)
        self.consumer = Consumer(channel, [self.queue], no_ack=self.no_ack if no_ack is None else no_ack)
        self._got: list[Message] = []
        self.consumer.on_message = self._got.append
        channel.declare([self.queue])

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        """The next message, waiting for it at most ``timeout`` seconds. Raises ``Empty``."""
        left = 0.0 if not block else timeout
        while not self._got:
            if not self.consumer.serve(1.0 if left is None else min(left, 1.0)) and left is not None:
                left -= 1.0
                if left <= 0:
                    raise Empty
        return self._got.pop(0)

    def get_nowait(self) -> Message:
        """The next message that is there. Raises ``Empty``."""
        return self.get(block=False)

    def put(self, message: Any, **options: Any) -> None:
        """Publish one; options as for ``Producer.publish``."""
        self.producer.publish(message, **options)

    def qsize(self) -> int:
        """How many wait."""
        return sum(depth.ready for depth in self.channel.producer.survey([self.queue.name]))

    __len__ = qsize

    def close(self) -> None:
        """Hand back what was got and not acknowledged."""
        self.consumer.close()

    def __enter__(self) -> "SimpleQueue":
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()

    def __bool__(self) -> bool:
        return True


class SimpleBuffer(SimpleQueue):
    """A ``SimpleQueue`` whose messages need no acknowledgement."""

    no_ack = True


__all__ = ["Empty", "SimpleBuffer", "SimpleQueue"]
