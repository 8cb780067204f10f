"""Names for what has none: task ids, and who sent a message. Safe after a fork, because nothing is kept."""

import os
import socket

_HOST = socket.gethostname()
_VARIANT = "89ab89ab89ab89ab"


def uuid(now: float) -> str:
    """A UUID of version 7 as text: ``now`` (wall seconds) in milliseconds, then 74 random bits.

    Ids made one after the other sort together, so that an index over a million of them is written at its end only.
    """
    t, h = f"{int(now * 1000):012x}", os.urandom(10).hex()
    return f"{t[:8]}-{t[8:]}-7{h[:3]}-{_VARIANT[int(h[3], 16)]}{h[4:7]}-{h[7:19]}"


def origin() -> str:
    """``gen<pid>@<host>``: this process, as a sender of messages."""
    return f"gen{os.getpid()}@{_HOST}"
