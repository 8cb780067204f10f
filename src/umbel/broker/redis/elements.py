"""List elements and deliveries: what was claimed becomes data, with what the broker remembers beside it. Pure."""

import hashlib
from typing import Any

from umbel.core import errors
from umbel.core.delivery import Delivery, Garbage, Ticket
from umbel.wire import kombu

HANDED_BACK, SIDE_KEY = b"\t\r", b"\n\r"
"""What may stand before an element: it was handed back; a side key knows more of it (see ``common.lua``)."""
_MARKS = (b"\t", b"\n", b"\r")


def delivered(ticket: Ticket, queue: str, element: bytes) -> tuple[Delivery, bool]:
    """A delivery of these bytes, whatever they are, and whether a side key may know more of it."""
    mark = element[:1]
    if mark in _MARKS:
        delivery = _decoded(ticket, queue, element[1:])
        delivery.redelivered = mark in HANDED_BACK
        return delivery, mark in SIDE_KEY
    delivery = _decoded(ticket, queue, element)
    if b'"redelivered"' in element and kombu.redelivered(element):  # by a Celery worker, which drops our marks
        delivery.redelivered = True
    return delivery, delivery.redelivered


def bare(element: bytes) -> bytes:
    """An element without its mark."""
    return element[1:] if element[:1] in _MARKS else element


def _decoded(ticket: Ticket, queue: str, raw: bytes) -> Delivery:
    try:
        return Delivery(ticket, queue, kombu.decode(raw))
    except errors.Undecodable as exc:
        return Delivery(ticket, queue, None, Garbage(exc.reason, raw))


def tag_of(delivery: Delivery) -> str:
    """What names the message across deliveries: its delivery tag, or for want of one its bytes."""
    message = delivery.message
    if message is not None and message.properties.delivery_tag:
        return message.properties.delivery_tag
    raw = message.head if message is not None else delivery.undecodable.raw if delivery.undecodable else b""
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest()


def tag_in(element: bytes) -> str | None:
    """The delivery tag in the bytes of a message, if they are one and it has one."""
    try:
        return kombu.decode(element).properties.delivery_tag
    except errors.Undecodable:
        return None


def remember(delivery: Delivery, side: list[Any]) -> None:
    """Put what a side key knows into a delivery: count, history, unknown, granted."""
    count, _, unknown, granted = side
    if count is not None:
        delivery.losses = int(count)
    delivery.unknown_since = None if unknown is None else float(unknown)
    delivery.granted = None if granted is None else float(granted)


SIDE = ("count", "history", "unknown", "granted")
