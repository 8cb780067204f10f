"""What can come of a claimed message. Data only; ``core.settle`` decides what each means.

Records and follow-up messages are complete here: encoding them is user code's business and happened before, on the
lane. ``publish`` holds what the task's end sends on: a retry, the next link of a chain, callbacks.
"""

from typing import Literal

import msgspec

from umbel.core.delivery import Loss, Outgoing
from umbel.core.record import Record


class Success(msgspec.Struct):
    """The task returned."""

    record: Record
    publish: tuple[Outgoing, ...] = ()


class Failure(msgspec.Struct):
    """The task raised, or overran its hard limit (``timeout``). ``detail`` is one line: type and text."""

    record: Record
    detail: str
    publish: tuple[Outgoing, ...] = ()
    kind: Literal["raised", "timeout"] = "raised"
    loss: Loss | None = None


class Retried(msgspec.Struct):
    """The task asked to be run again: ``publish`` holds the message that does it."""

    record: Record
    publish: tuple[Outgoing, ...]


class Ignored(msgspec.Struct):
    """The task raised ``Ignore``: no state is stored."""

    publish: tuple[Outgoing, ...] = ()


class Rejected(msgspec.Struct):
    """The task raised ``Reject``."""

    requeue: bool
    detail: str = ""


class Revoked(msgspec.Struct):
    """The message must not run, or was ended by an operator."""

    record: Record
    why: Literal["revoked", "expired", "terminated"]


class Lost(msgspec.Struct):
    """The process that held the message is gone.

    ``started``: it may have been running. ``begun``: it was marked so, and may not run again. ``stopping``: the
    process had been told to stop, so nothing counts against the message. ``record`` is the FAILURE that is stored if
    it is not run again.
    """

    record: Record
    loss: Loss
    started: bool
    begun: bool = False
    stopping: bool = False


class Unregistered(msgspec.Struct):
    """No task of this name here; first met so at ``since``. Times are wall seconds."""

    record: Record
    name: str
    since: float
    now: float


class Unreadable(msgspec.Struct):
    """Not a message (``undecodable``), or of a content type that is not accepted (``refused``)."""

    reason: Literal["undecodable", "refused"]
    detail: str
    record: Record | None = None


Outcome = Success | Failure | Retried | Ignored | Rejected | Revoked | Lost | Unregistered | Unreadable
