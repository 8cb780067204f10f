"""Joins: what waits for the members of a chord and keeps their results until its body is published. Data only.

A join belongs to the group that is the chord's header, and is two-phase. Each member's settlement adds a part; a part
counts once, however often its task is delivered. The settlement that completes the join leaves its message claimed and
is answered with everything that the body needs (``Joined``); a second one publishes the body, closes the join and ends
the claim. Whoever dies in between leaves a claim behind, and the redelivered member completes the join again.
"""

from collections.abc import Mapping
from typing import Any

import msgspec


class Opening(msgspec.Struct, frozen=True):
    """A join of ``size`` parts begins. ``shape`` is the header's result tuple where members are groups themselves.

    ``body`` is the encoded signature of the body, where the members do not carry it.
    """

    group: str
    size: int
    shape: list[Any] | tuple[Any, ...] | None = None
    body: bytes = b""


class Extension(msgspec.Struct, frozen=True):
    """A join waits for ``by`` parts more (``add_to_chord``)."""

    group: str
    by: int = 1


class Part(msgspec.Struct, frozen=True):
    """What one member comes to. ``index`` is its place in the header, None is behind all others.

    ``result`` is the value, or the exception's description where ``state`` is not SUCCESS; or that in the form
    in which ``umbel.wire.parts`` writes it.
    ``body`` is the signature of the body. It is kept too, so that a sweeper can publish it when nobody else does.
    ``kept``: the body came with the opening, and ``body`` only stands for it (``core.resting``).
    """

    group: str
    task_id: str
    index: int | None
    state: str
    result: Any
    body: Mapping[str, Any] | None = None
    kept: bool = False


class Closing(msgspec.Struct, frozen=True):
    """The body is out. Or it will not be, because so many parts ``failed``: better ones may still take their place."""

    group: str
    failed: int = 0


class Reopening(msgspec.Struct, frozen=True):
    """A join waits again for its parts that failed: they are forgotten, the others stay. One that is done is emptied.

    ``size`` is for a join of which nothing is left (None: as it was).
    """

    group: str
    size: int | None = None
    shape: list[Any] | tuple[Any, ...] | None = None


Step = Opening | Extension | Part | Closing | Reopening
"""What can be done to a join. All may be repeated."""


class Arrived(msgspec.Struct, frozen=True):
    """A part as it is kept."""

    task_id: str
    state: str
    result: Any


class Joined(msgspec.Struct, frozen=True):
    """A complete join: the parts in the order of the header, each encoded as Celery has it, the header's shape, and the
    body that it kept.

    Without parts it is not complete but lost: a part came whose body should be kept here, and nothing is.
    """

    group: str
    parts: tuple[bytes, ...]
    shape: bytes | None = None
    body: bytes | None = None


class Standing(msgspec.Struct, frozen=True):
    """How full a join is. ``size`` is None where it is not known; of what ``arrived``, so many parts ``failed``.

    ``state``: ``open``, ``failed`` (its body was not called, and it may still be mended) or ``done``.
    """

    size: int | None
    arrived: int
    failed: int
    state: str = "open"


class Abandoned(msgspec.Struct, frozen=True):
    """A complete join that nobody saw to. ``body`` is None where none of the parts brought one."""

    body: Mapping[str, Any] | None
    joined: Joined


CLAIM = 60.0
"""Seconds for which a complete join is left to the one who completed it, before anybody else may see to it."""
