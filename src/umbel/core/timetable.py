"""What passes through the port of a timetable: entries, marks, leadership, ticks. Data only (port: ``broker.base``).

A *book* is the timetable of one application, by name. An entry's *mark* is the due time up to which its ticks count as
done: a tick that is not later than the mark is never published again. One *beat* at a time leads a book; its *epoch*
counts the leaders, and whoever shows another beat's or an older epoch is fenced.
"""

from typing import NamedTuple

import msgspec

from umbel.core.delivery import Outgoing, Receipt


class Mark(NamedTuple):
    """Up to when an entry's ticks are done (wall seconds), and how many were published."""

    last: float
    runs: int


class Tick(msgspec.Struct, frozen=True):
    """One due time of one entry, with what it publishes (nothing: it is only marked).

    ``due`` is compared with the mark, ``mark`` is what the mark becomes; both in wall seconds. ``runs`` is added to the
    count.
    """

    name: str
    due: float
    mark: float
    messages: tuple[Outgoing, ...] = ()
    runs: int = 1


class Seen(msgspec.Struct, frozen=True):
    """This tick, or a later one of its entry, was done before. Nothing was done."""


class Fenced(msgspec.Struct, frozen=True):
    """Another beat leads. Nothing was done."""


SEEN = Seen()
FENCED = Fenced()

TickReceipt = Receipt | Seen | Fenced


class Lead(NamedTuple):
    """Who leads a book: the asker, under ``epoch``; or another (None), for ``left`` more seconds unless renewed."""

    epoch: int | None
    left: float


class Kept(msgspec.Struct, frozen=True):
    """One entry as it is stored. What ``data`` says is its owner's business."""

    name: str
    data: bytes


class Changes(NamedTuple):
    """What changed in a book after a version.

    ``whole``: so much has been forgotten since that ``kept`` is everything there is, and all else is gone.
    """

    version: int
    kept: list[Kept]
    dropped: list[str]
    whole: bool = False
