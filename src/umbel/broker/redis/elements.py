"""List elements and deliveries: what was claimed becomes data, with what the broker remembers beside it. Pure."""

import hashlib
from typing import Any

from umbel.core import errors
from umbel.core.delivery import Delivery, Ticket, Undecodable
from umbel.wire import kombu

TAB, LINE_FEED = 9, 10
"""First byte of an element that was handed back; of one that has a side key besides (see ``common.lua``)."""


def delivered(ticket: Ticket, queue: str, element: bytes) -> tuple[Delivery, bool]:
    """A delivery of these bytes, whatever they are, and whether a side key may know more of it."""
    first = element[0] if element else 0
    marked = first in (TAB, LINE_FEED)
    raw = element[1:] if marked else element
    again = marked or (b'"redelivered"' in raw and kombu.redelivered(raw))
    try:
        delivery = Delivery(ticket, queue, kombu.decode(raw))
    except errors.Undecodable as exc:
        delivery = Delivery(ticket, queue, None, Undecodable(exc.reason, raw))
    if again:
        delivery.redelivered = True
    return delivery, first == LINE_FEED or (again and not marked)


def tag_of(delivery: Delivery) -> str:
    """What names the message across deliveries: its delivery tag, or for want of one its bytes."""
    message = delivery.message
    if message is not None and message.properties.delivery_tag:
        return message.properties.delivery_tag
    raw = message.head if message is not None else delivery.undecodable.raw if delivery.undecodable else b""
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest()


def remember(delivery: Delivery, side: list[Any]) -> None:
    """Put what a side key knows into a delivery: count, history, unknown, granted."""
    count, _, unknown, granted = side
    if count is not None:
        delivery.losses = int(count)
    delivery.unknown_since = None if unknown is None else float(unknown)
    delivery.granted = None if granted is None else float(granted)


SIDE = ("count", "history", "unknown", "granted")
