"""Who waits for which results, and which channels that takes. A book only: it sends nothing and reads nothing.

A channel stays subscribed for ``LINGER`` seconds after the last wait that ended for want of time, because whoever
waited so comes back. What came last is kept as long: a wait begins by looking at it. What comes before the server has
confirmed a subscription was meant for an older one, and may be overtaken: a task that failed was sent again since.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

Look = Callable[[Sequence[bytes], Sequence[Any]], bool]
"""Whether one of these records (None: there is none), by channel name, is news to those who read."""

LINGER = 2.0


class Waiter(Protocol):
    """Somebody who waits."""

    def hear(self, name: bytes, record: bytes) -> None:
        """This is what the server has now."""

    def wake(self) -> None:
        """The connection is lost, and anything may have changed."""


class Channels:
    """The subscriptions of one connection, by channel name."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, list[Waiter]] = {}
        self._idle: dict[bytes, float] = {}
        self._latest: dict[bytes, bytes] = {}
        self._unconfirmed: dict[bytes, int] = {}

    def enter(self, names: Iterable[bytes], waiter: Waiter) -> list[bytes]:
        """``waiter`` waits for these from now on. Returns those that must be subscribed, and looked at."""
        fresh = []
        for name in names:
            if name not in self._waiting:
                fresh.append(name)
                self._unconfirmed[name] = self._unconfirmed.get(name, 0) + 1
                self._waiting[name] = []
            self._idle.pop(name, None)
            self._waiting[name].append(waiter)
        return fresh

    def leave(self, names: Iterable[bytes], waiter: Waiter, now: float, *, coming_back: bool) -> list[bytes]:
        """``waiter`` waits no longer. Returns those that must be unsubscribed."""
        over = [name for name, since in self._idle.items() if since + LINGER < now]
        for name in names:
            waiting = self._waiting.get(name)
            if waiting is None or waiter not in waiting:
                continue  # the connection was lost, and with it the subscription
            waiting.remove(waiter)
            if waiting:
                continue
            if coming_back:
                self._idle[name] = now
            else:
                over.append(name)
        for name in over:
            del self._waiting[name]
            self._idle.pop(name, None)
            self._latest.pop(name, None)
        return over

    def latest(self, names: Iterable[bytes]) -> dict[bytes, bytes]:
        """What came last for these, as far as anything came."""
        return {name: self._latest[name] for name in names if name in self._latest}

    def has_news(self, names: Iterable[bytes], look: Look) -> bool:
        """Whether what came for one of these is news."""
        if not self._latest:
            return False
        known = [name for name in names if name in self._latest]
        return look(known, [self._latest[name] for name in known])

    def heard(self, push: list[Any]) -> None:
        """A push of the server came: wake who waits for it."""
        name = push[1]
        if push[0] == b"message" and name not in self._unconfirmed:
            self._found(name, push[2])
        elif push[0] == b"subscribe" and name in self._unconfirmed:
            self._unconfirmed[name] -= 1
            if not self._unconfirmed[name]:
                del self._unconfirmed[name]

    def looked(self, names: Sequence[bytes], records: Sequence[bytes | None]) -> None:
        """Who subscribed has looked and found news: wake those too who have come since and did not look."""
        for name, record in zip(names, records, strict=False):
            if record is not None:
                self._found(name, record)

    def _found(self, name: bytes, record: bytes) -> None:
        """This is what the server has now: wake who waits for it."""
        waiting = self._waiting.get(name)
        if waiting is not None:
            self._latest[name] = record
            for waiter in waiting:
                waiter.hear(name, record)

    def lost(self) -> None:
        """The connection is gone: nothing is subscribed, and anything may have changed."""
        waiting, self._waiting = self._waiting, {}
        self._idle.clear()
        self._latest.clear()
        self._unconfirmed.clear()
        for waiters in waiting.values():
            for waiter in waiters:
                waiter.wake()
