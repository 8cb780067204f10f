"""A queue at a connection: kombu's ``queue(channel)``. Knows the connection it is given, and opens none."""

from typing import TYPE_CHECKING, Any, NamedTuple

from umbel.core.queues import Queue

if TYPE_CHECKING:
    from umbel.celery.kombu.connection import Connection


class queue_declare_ok(NamedTuple):
    """A queue, counted: ``message_count`` is what waits and is due."""

    queue: str
    message_count: int
    consumer_count: int


class BoundQueue:
    """A queue at a connection. What else it is asked, the queue answers."""

    def __init__(self, queue: Queue, channel: "Connection") -> None:
        self.queue, self.channel, self.is_bound = queue, channel, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queue, name)

    def declare(self, nowait: bool = False, **more: Any) -> str:
        """Know it and what it is bound to; returns its name."""
        self.channel.declare([self.queue])
        return self.queue.name

    def queue_declare(self, *args: Any, **more: Any) -> queue_declare_ok:
        """``declare``, and how much is in it."""
        return self.channel.queue_declare(self.declare())

    def get(self, no_ack: bool | None = None, accept: Any = None) -> Any:
        """The next message that is there, or None. It belongs to a consumer of its own until it is settled."""
        from umbel.celery.kombu.messaging import Consumer

        found: list[Any] = []
        consumer = Consumer(self.channel, [self.queue], no_ack=no_ack, accept=accept, on_message=found.append)
        if not consumer.serve(0):
            consumer.close()
            return None
        self.channel.keep(consumer)
        return found[0]

    def purge(self, nowait: bool = False) -> int:
        """Delete what waits in it, and say how many messages there were."""
        from umbel.celery.kombu.messaging import Consumer

        found: list[Any] = []
        consumer = Consumer(self.channel, [self.queue], no_ack=True, on_message=found.append)
        while consumer.serve(0):
            pass
        consumer.close()
        return len(found)

    def __repr__(self) -> str:
        return f"<bound {self.queue!r}>"
