"""kombu's ``Message``: one message that a consumer took, until it is settled."""

from typing import TYPE_CHECKING, Any

import msgspec

from umbel.core.delivery import Ack, Delivery, Disposition, Release, Settlement
from umbel.core.errors import DecodeError, UmbelError
from umbel.wire import compression, envelope, serializers

if TYPE_CHECKING:
    from umbel.celery.kombu.messaging import Consumer


class MessageStateError(UmbelError):
    """The message was settled already."""


class Message:
    """A message in hand. ``payload`` is its body, decoded; ``ack``, ``reject`` and ``requeue`` settle it, once."""

    MessageStateError = MessageStateError

    def __init__(self, delivery: Delivery, consumer: "Consumer") -> None:
        message = delivery.message
        self.channel = consumer.channel
        self.delivery_tag = str(delivery.ticket.serial)
        self.acknowledged = False
        self._delivery, self.consumer = delivery, consumer
        self._payload: list[Any] = []
        self.errors: list[Exception] = []
        self.headers: dict[str, Any] = {}
        self.properties: dict[str, Any] = {}
        self.content_type: str | None = None
        self.content_encoding: str | None = None
        self.body: bytes | None = None if delivery.undecodable is None else delivery.undecodable.raw
        self.delivery_info: dict[str, Any] = {"redelivered": delivery.redelivered}
        if message is not None:
            self.body, self.content_type = message.body, message.content_type
            self.content_encoding = message.content_encoding
            own = envelope.custom_headers(message)
            task = msgspec.to_builtins(message.headers) if message.headers.task else {}
            self.headers = {**task, **own}
            self.properties = msgspec.to_builtins(message.properties)
            self.delivery_info |= self.properties.get("delivery_info") or {}

    def decode(self) -> Any:
        """The body. Raises ``ContentDisallowed``, ``DecodeError``. It is decoded once."""
        if not self._payload:
            self._payload.append(self._decoded())
        return self._payload[0]

    @property
    def payload(self) -> Any:
        """The body, decoded."""
        return self.decode()

    def _decoded(self) -> Any:
        message, data = self._delivery.message, self.body or b""
        if message is None:
            raise DecodeError("it is no message")
        if message.headers.compression:
            data = compression.decompress(data, message.headers.compression)
        if message.content_type == "text/plain":
            return data.decode(message.content_encoding, "replace")
        if message.content_type == "application/data":
            return data
        return serializers.decode(data, message.content_type, message.content_encoding, self.consumer.accept)

    def ack(self, multiple: bool = False) -> None:
        """It is done. Raises ``MessageStateError`` for one that was settled."""
        self._settle(Ack())

    def reject(self, requeue: bool = False) -> None:
        """It is not wanted: it is dropped, or goes back to its queue."""
        self._settle(Release(front=True) if requeue else Ack())

    def requeue(self) -> None:
        """Back to its queue."""
        self.reject(requeue=True)

    def ack_log_error(self, logger: Any, errors: Any, multiple: bool = False) -> None:
        """``ack``; what is one of ``errors`` is logged."""
        try:
            self.ack(multiple)
        except errors as error:
            logger.critical("A message could not be acknowledged: %r", error)

    def reject_log_error(self, logger: Any, errors: Any, requeue: bool = False) -> None:
        """``reject``; what is one of ``errors`` is logged."""
        try:
            self.reject(requeue)
        except errors as error:
            logger.critical("A message could not be rejected: %r", error)

    def _settle(self, disposition: Disposition) -> None:
        if self.acknowledged:
            raise MessageStateError("the message was settled already")
        self.consumer.settle(Settlement(self._delivery.ticket, disposition))
        self.acknowledged = True

    def __repr__(self) -> str:
        return f"<Message {self.delivery_tag} of {self._delivery.queue}>"
