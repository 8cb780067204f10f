"""What can come of a claimed message. Data only; ``core.settle`` decides what each means.

Records and follow-up messages are complete here: encoding them is user code's business and happened before, on the
lane. ``publish`` holds what the task itself sends on; ``after`` what its end means for others, should it be final.
"""

from typing import Any, Literal

import msgspec

from umbel.core.delivery import Loss, Outgoing
from umbel.core.joining import Step
from umbel.core.record import Record


class Unread(msgspec.Struct):
    """Tasks that will never run, and why. Which they are says a block of a chain's rest that must be read first."""

    block: str
    state: str
    described: Any
    traceback: str | None
    date_done: str
    silent: bool


class After(msgspec.Struct):
    """What an end of a task means for others, if it is one: calls, results of those who never run, steps of joins.

    ``records`` are written in the step in which the calls are published.
    """

    publish: list[Outgoing] = []
    records: list[Record] = []
    steps: list[Step] = []
    unread: list[Unread] = []

    def add(self, other: "After") -> None:
        """This as well."""
        self.publish += other.publish
        self.records += other.records
        self.steps += other.steps
        self.unread += other.unread


class Success(msgspec.Struct):
    """The task returned."""

    record: Record
    publish: tuple[Outgoing, ...] = ()
    after: After | None = None


class Failure(msgspec.Struct):
    """The task raised, or overran its hard limit (``timeout``). ``detail`` is one line: type and text."""

    record: Record
    detail: str
    publish: tuple[Outgoing, ...] = ()
    kind: Literal["raised", "timeout"] = "raised"
    loss: Loss | None = None
    after: After | None = None


class Retried(msgspec.Struct):
    """The task asked to be run again: ``publish`` holds the message that does it."""

    record: Record
    publish: tuple[Outgoing, ...]
    after: None = None


class Ignored(msgspec.Struct):
    """The task raised ``Ignore``: no state is stored."""

    publish: tuple[Outgoing, ...] = ()
    after: After | None = None


class Rejected(msgspec.Struct):
    """The task raised ``Reject``."""

    requeue: bool
    detail: str = ""
    after: After | None = None


class Revoked(msgspec.Struct):
    """The message must not run, or was ended by an operator; ``signal`` is what ended its process then."""

    record: Record
    why: Literal["revoked", "expired", "terminated"]
    signal: int | None = None
    after: After | None = None


class Lost(msgspec.Struct):
    """The process that held the message is gone.

    ``started``: it may have been running. ``begun``: it was marked so, and may not run again. ``stopping``: the
    process had been told to stop, so nothing counts against the message. ``whole``: its worker is gone with it, and
    another one found that. ``record`` is the FAILURE that is stored if it is not run again.
    """

    record: Record
    loss: Loss
    started: bool
    begun: bool = False
    stopping: bool = False
    whole: bool = False
    after: After | None = None


class Unregistered(msgspec.Struct):
    """No task of this name here; first met so at ``since``. Times are wall seconds."""

    record: Record
    name: str
    since: float
    now: float
    after: After | None = None


class Unreadable(msgspec.Struct):
    """Not a message (``undecodable``), or of a content type that is not accepted (``refused``)."""

    reason: Literal["undecodable", "refused"]
    detail: str
    record: Record | None = None
    after: None = None


Outcome = Success | Failure | Retried | Ignored | Rejected | Revoked | Lost | Unregistered | Unreadable
