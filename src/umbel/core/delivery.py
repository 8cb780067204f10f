"""What passes through the broker port: deliveries in, settlements out. Data only (the port itself: ``broker.base``).

A message that a process claimed is recorded under a *ticket*. Whoever shows the ticket may say what becomes of the
message (its *disposition*); a ticket that is no longer recorded is *gone*, and nothing that comes with it is done.
"""

from typing import Any, Literal, NamedTuple, NewType

import msgspec

from umbel.core.joining import Joined
from umbel.core.message import Message

ConsumerId = NewType("ConsumerId", str)
"""One incarnation of one process: 128 random bits as hex, never host + pid, never used twice."""


class Ticket(NamedTuple):
    """Names one claim. ``generation`` counts the consumer's connections, ``serial`` its claims; neither repeats."""

    consumer: ConsumerId
    generation: int
    serial: int


class Loss(msgspec.Struct, frozen=True):
    """One time that a worker died while the message may have been running. ``at`` is wall time in seconds."""

    at: float
    node: str
    pid: int | None = None
    signal: int | None = None
    exitcode: int | None = None
    why: str = ""


class Garbage(msgspec.Struct, frozen=True):
    """Bytes in a queue that are no message, and why not."""

    reason: str
    raw: bytes


class Delivery(msgspec.Struct):
    """A claimed message. Exactly one of ``message`` and ``undecodable`` is set.

    ``losses`` counts workers lost with it; ``unknown_since`` is when a worker first met it without knowing its task;
    ``granted`` is the start time that a rate limit gave it. Times are wall seconds.
    """

    ticket: Ticket
    queue: str
    message: Message | None
    undecodable: Garbage | None = None
    losses: int = 0
    redelivered: bool = False
    unknown_since: float | None = None
    granted: float | None = None


class Adopted(msgspec.Struct):
    """A delivery taken over from a dead consumer, now under the adopter's ticket.

    ``rank`` counts from 0 in the order of the dead one's serials, ``width`` is how many it could run at once: without
    better knowledge, the lowest ``width`` ranks may have been running. ``serial`` is the dead one's serial, ``begun``
    whether it was marked so (``Begin``).
    """

    delivery: Delivery
    was: ConsumerId
    serial: int
    rank: int
    width: int
    begun: bool
    stopping: bool
    node: str
    pid: int | None


class Outgoing(msgspec.Struct):
    """A message on its way into a queue. ``due`` (wall seconds) is when it may run, None is at once.

    With an ``exchange`` (its type) the broker finds the queues itself: all that are bound to the exchange and by the
    routing key of the message's ``delivery_info``. Only for brokers whose features say ``exchanges``.
    """

    queue: str
    message: Message
    due: float | None = None
    exchange: str | None = None


# What becomes of a claimed message ------------------------------------------------------------------------------------


class Keep(msgspec.Struct, frozen=True):
    """Stay claimed: something else of this settlement is done, the rest follows under the same ticket."""


class Begin(msgspec.Struct, frozen=True):
    """Stay claimed, and be marked as begun: whoever adopts it never runs it again (acknowledge-early tasks)."""


class Ack(msgspec.Struct, frozen=True):
    """Done: forget the message."""


class Release(msgspec.Struct, frozen=True):
    """Back to its queue: to the front (it keeps its place) or to the back. ``loss`` is counted and kept as history.

    Clears the mark of ``Begin``.
    """

    front: bool = True
    loss: Loss | None = None


class Park(msgspec.Struct, frozen=True):
    """Into the delayed set until ``until`` (wall seconds).

    ``why`` is ``eta``; ``rate`` (``until`` is the slot that a rate limit gave: delivered again with ``granted``); or
    ``unknown`` (no task of that name here: delivered again with ``unknown_since``, kept from the first time on).
    """

    until: float
    why: Literal["eta", "rate", "unknown"] = "eta"


class Bury(msgspec.Struct, frozen=True):
    """Into the dead letters.

    ``reason`` is one word (``failed``, ``lost``, ``rejected``, ``undecodable``, ``refused``, ``unregistered``);
    ``detail`` one line for a person; ``traceback`` the task's, if there is one. Past losses are kept with it.
    """

    reason: str
    detail: str = ""
    traceback: str | None = None
    loss: Loss | None = None


Disposition = Keep | Begin | Ack | Release | Park | Bury


class Settlement(msgspec.Struct):
    """What a consumer asks a broker to do for one ticket, all or nothing.

    ``ops`` are operations that the result store compiled; the broker runs them in its own atomic step. Only a broker
    that shares its server with the store gets any. If any of them completes a join, the ticket is kept, whatever
    ``disposition`` says.
    """

    ticket: Ticket
    disposition: Disposition
    publish: tuple[Outgoing, ...] = ()
    ops: tuple[Any, ...] = ()


# Answers --------------------------------------------------------------------------------------------------------------


class Settled(msgspec.Struct, frozen=True):
    """Done. ``joined`` are the joins that this settlement completed: then its ticket is kept, and bodies are due."""

    joined: tuple[Joined, ...] = ()


class Gone(msgspec.Struct, frozen=True):
    """The ticket is not recorded: fenced, or settled before. Nothing was done."""


class Refused(msgspec.Struct, frozen=True):
    """This one was not done, and a repeat will not help. The rest of its batch was done."""

    error: Exception


Verdict = Settled | Gone | Refused

SETTLED = Settled()
GONE = Gone()


class Accepted(msgspec.Struct, frozen=True):
    """Published."""


class Unknown(msgspec.Struct, frozen=True):
    """Sent and not confirmed: a repeat may double it."""

    error: Exception


Receipt = Accepted | Refused | Unknown

ACCEPTED = Accepted()


class Want(msgspec.Struct, frozen=True):
    """What a consumer would take: queues in order of preference, at most ``limit`` messages (0: nothing)."""

    queues: tuple[str, ...]
    limit: int


class Turn(msgspec.Struct):
    """The answer to one exchange: verdicts in the order of the settlements, and what was claimed.

    ``next_due``: seconds until the next delayed message of the wanted queues is due, None without one.
    ``revocations``: version of the set of revoked ids; another number than last time means that it must be read.
    ``lost``: True if this consumer's lease lapsed: whatever it still holds is no longer its own.
    """

    verdicts: list[Verdict]
    deliveries: list[Delivery]
    next_due: float | None = None
    revocations: int = 0
    lost: bool = False


# What an operator looks at --------------------------------------------------------------------------------------------


class Depth(msgspec.Struct):
    """One queue, counted. ``consumers`` are the live processes that read it."""

    queue: str
    ready: int = 0
    delayed: int = 0
    claimed: int = 0
    dead: int = 0
    consumers: int = 0


class Member(msgspec.Struct):
    """A process on the register. ``width`` 0 is one that runs no tasks: a supervisor. ``claimed``: messages it holds.

    ``node`` is empty for one that is registered and has not connected yet; ``alive``: its lease or lock holds.
    """

    id: ConsumerId
    node: str
    pid: int | None
    width: int
    queues: tuple[str, ...]
    claimed: int
    alive: bool


class DeadLetter(msgspec.Struct):
    """A message that is not run again by itself. ``at`` is wall time; ``message`` is None for undecodable bytes."""

    id: str
    queue: str
    reason: str
    detail: str
    at: float
    message: Message | None
    raw: bytes | None = None
    traceback: str | None = None
    history: tuple[Loss, ...] = ()


class Revocation(msgspec.Struct, frozen=True):
    """What must not run: a task id, or a text that stands for many (``core.revoking``).

    ``terminate`` names the signal that ends it where it runs already.
    """

    task_id: str
    terminate: str | None = None
