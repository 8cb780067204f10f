"""Names for what has none: task ids, and who sent a message. Safe after a fork."""

import os
import socket
from collections.abc import Callable

from umbel.runtime import system

_HOST = socket.gethostname()
_VARIANT = dict(zip("0123456789abcdef", "89ab89ab89ab89ab", strict=True))
_origin = ""


def uuid(now: float) -> str:
    """A UUID of version 7 as text: ``now`` (wall seconds) in milliseconds, then 74 random bits.

    Ids made one after the other sort together, so that an index over a million of them is written at its end only.
    """
    t, h = f"{int(now * 1000):012x}", os.urandom(10).hex()
    return f"{t[:8]}-{t[8:]}-7{h[:3]}-{_VARIANT[h[3]]}{h[4:7]}-{h[7:19]}"


def family(now: float) -> Callable[[], str]:
    """Makes ids as ``uuid`` does that share their first 24 characters: what one canvas comes to.

    26 of the random bits are common to a family, 48 are each one's own; no id comes twice.
    """
    shared, known = uuid(now)[:24], set[str]()

    def new() -> str:
        while (own := os.urandom(6).hex()) in known:
            pass
        known.add(own)
        return shared + own

    return new


def family_of(task_id: str) -> str:
    """What the ids of a family have in common; of an id that has none of its own kind, the id."""
    return task_id[:23] if len(task_id) == 36 and task_id[14] == "7" and task_id[23] == "-" else task_id


def origin() -> str:
    """``gen<pid>@<host>``: this process, as a sender of messages."""
    return _origin


def _begin() -> None:
    global _origin
    _origin = f"gen{os.getpid()}@{_HOST}"


_begin()
system.at_fork(after_in_child=_begin)
