"""kombu's ``mixins``: a program that takes messages until it is told to stop."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from umbel.celery import offered
from umbel.celery.kombu.messaging import Consumer, Producer
from umbel.core.errors import OperationalError
from umbel.runtime.clock import SYSTEM

logger = logging.getLogger("kombu.mixins")
PAUSE = 1.0
"""Seconds until it connects again."""


class ConsumerMixin:
    """Set ``connection``, and define ``get_consumers(Consumer, channel)``; ``run()`` takes messages.

    It ends when ``should_stop`` is set. While the broker is away, it tries again.
    """

    connection: Any
    connect_max_retries: int | None = None
    should_stop = False

    def get_consumers(self, Consumer: Any, channel: Any) -> Iterable[Any]:
        """What takes messages."""
        raise NotImplementedError("a ConsumerMixin defines get_consumers()")

    def on_connection_revived(self) -> None:
        """It has connected again: a place for overriding."""

    def on_consume_ready(self, connection: Any, channel: Any, consumers: Any, **kwargs: Any) -> None:
        """It takes messages now: a place for overriding."""

    def on_consume_end(self, connection: Any, channel: Any) -> None:
        """It takes no more: a place for overriding."""

    def on_iteration(self) -> None:
        """Before it waits for the next one: a place for overriding."""

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """A message cannot be decoded: it is dropped."""
        logger.critical("Can't decode message body: %r", exc)
        message.ack()

    def on_connection_error(self, exc: Exception, interval: float) -> None:
        """The broker is away."""
        logger.warning("Broker connection error, trying again in %s seconds: %r.", interval, exc)

    def create_connection(self) -> Any:
        """A connection of its own."""
        return self.connection.clone()

    def run(self, _tokens: int = 1, **kwargs: Any) -> None:
        """Take messages until told to stop."""
        attempts = 0
        while not self.should_stop:
            try:
                for _ in self.consume(limit=None, **kwargs):
                    attempts = 0
            except OperationalError as error:
                attempts += 1
                if self.connect_max_retries and attempts > self.connect_max_retries:
                    raise
                self.on_connection_error(error, PAUSE)
                SYSTEM.pause(PAUSE)
                self.on_connection_revived()

    def consume(
        self, limit: int | None = None, timeout: float | None = None, safety_interval: float = 1, **kwargs: Any
    ) -> Iterator[None]:
        """Take messages, one at each step. ``timeout``: seconds without one, after which it raises ``TimeoutError``."""
        with self._consuming(**kwargs) as connection:
            waited, taken = 0.0, 0
            while not self.should_stop and (limit is None or taken < limit):
                self.on_iteration()
                try:
                    connection.drain_events(timeout=safety_interval)
                except TimeoutError:
                    waited += safety_interval
                    if timeout is not None and waited >= timeout:
                        raise
                else:
                    waited, taken = 0.0, taken + 1
                    yield

    @contextmanager
    def _consuming(self, **kwargs: Any) -> Iterator[Any]:
        with self.create_connection() as connection, ExitStack() as stack:
            make = partial(Consumer, on_decode_error=self.on_decode_error)
            consumers = [stack.enter_context(one) for one in self.get_consumers(partial(make, connection), connection)]
            self.on_consume_ready(connection, connection, consumers, **kwargs)
            yield connection
            self.on_consume_end(connection, connection)


class ConsumerProducerMixin(ConsumerMixin):
    """One that publishes as well."""

    @property
    def producer(self) -> Producer:
        """What publishes."""
        return Producer(self.connection)

    @property
    def producer_connection(self) -> Any:
        """Through what."""
        return self.connection


__all__ = ["ConsumerMixin", "ConsumerProducerMixin"]

__getattr__ = offered.names_not_in(__name__)
