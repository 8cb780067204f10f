"""The message: what a call becomes (Celery task protocol 2). Data only; it knows nothing above it.

On the wire a message has three parts: headers (all task metadata), properties (what a broker needs), and a body that
stays bytes until the lane decodes it: ``[args, kwargs, embed]``. The forms on the wire are in ``umbel.wire.envelope``.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class Headers(msgspec.Struct):
    """The headers of Celery's task protocol 2, in the order in which Celery writes them.

    ``eta`` and ``expires`` are ISO 8601 text; without an offset they mean UTC. ``timelimit`` is ``(hard, soft)`` in
    seconds: hard first, as Celery's code has it. ``ignore_result`` is None where the caller did not say.
    ``compression`` is a content type, and on the wire only where the body is compressed. ``umbel_rest`` is Umbel's own:
    the block of its chain's rest that the task must have (``core.resting``).
    """

    task: str
    id: str
    lang: str = "py"
    shadow: str | None = None
    eta: str | None = None
    expires: str | None = None
    group: str | None = None
    group_index: int | None = None
    retries: int = 0
    timelimit: tuple[float | None, float | None] | None = (None, None)
    root_id: str | None = None
    parent_id: str | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    origin: str | None = None
    ignore_result: bool | None = None
    replaced_task_nesting: int = 0
    stamped_headers: list[str] | None = None
    stamps: dict[str, Any] | None = msgspec.field(default_factory=dict)
    compression: str | UnsetType | None = UNSET
    umbel_rest: str | UnsetType = UNSET


class DeliveryInfo(msgspec.Struct):
    """Where a message was sent. Exchange ``""`` with a queue's name as routing key is that queue."""

    exchange: str = ""
    routing_key: str = "celery"


class Properties(msgspec.Struct):
    """What AMQP calls properties. ``priority`` is 0 to 9; ``expiration`` is text in milliseconds."""

    correlation_id: str | None = None
    reply_to: str | None = None
    delivery_mode: int = 2
    delivery_info: DeliveryInfo = msgspec.field(default_factory=DeliveryInfo)
    priority: int | None = 0
    delivery_tag: str | None = None
    expiration: str | None = None


class Message(msgspec.Struct):
    """One call of one task.

    ``custom`` holds the caller's own headers of a message that is about to be sent. On a message that arrived they
    are still inside ``head`` (the bytes as received) and are read only when somebody asks
    (``umbel.wire.envelope.custom_headers``), because parsing what nobody reads costs every task.
    """

    headers: Headers
    properties: Properties
    body: bytes
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    custom: dict[str, Any] | None = None
    head: bytes = b""


class Embed(msgspec.Struct):
    """The third element of a body: what happens after the task. Signatures as plain data (Celery's canvas)."""

    callbacks: list[dict[str, Any]] | None = None
    errbacks: list[dict[str, Any]] | None = None
    chain: list[dict[str, Any]] | None = None
    chord: dict[str, Any] | None = None
