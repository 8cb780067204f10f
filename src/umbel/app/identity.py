"""Names for what has none: task ids, and who sent a message. Safe after a fork."""

import os
import socket

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


def origin() -> str:
    """``gen<pid>@<host>``: this process, as a sender of messages."""
    return _origin


def _begin() -> None:
    global _origin
    _origin = f"gen{os.getpid()}@{_HOST}"


_begin()
system.at_fork(after_in_child=_begin)
