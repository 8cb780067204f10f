"""The connection through which all threads of a process wait for results. No thread of its own.

One of those who wait reads for all; when it has what it waited for, it wakes another to read on.
"""

import os
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

from umbel.core.errors import OperationalError
from umbel.drivers.redis import WHO, CutOff, Place, SyncConnection, is_error, is_push, is_replica, sync_connect
from umbel.result.redis.channels import Channels, Look
from umbel.runtime import system
from umbel.runtime.clock import Clock


class SharedLine:
    """Safe to use from many threads. A forked child begins with nothing, and leaves its parent's connection alone."""

    def __init__(self, place: Place, clock: Clock) -> None:
        self._place = place
        self._clock = clock
        self._begin()
        _lines.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._connecting = threading.Lock()
        self._channels = Channels()
        self._connection: SyncConnection | None = None
        self._waiters: set[_Waiter] = set()
        self._looks: deque[tuple[list[bytes], _Waiter] | None] = deque()
        """Whose answers are awaited, in order. None: the answer to ``WHO``."""
        self._read_by: _Waiter | None = None

    def wait(self, names: Sequence[bytes], look: Look, timeout: float) -> dict[bytes, bytes]:
        """Return when something may have changed since the last read, or after ``timeout`` seconds: what was heard."""
        end = self._clock.monotonic() + timeout
        waiter = _Waiter(look)
        try:
            self._connect(end)
            self._enter(names, waiter)
            while not waiter.woken and (left := end - self._clock.monotonic()) > 0:
                if self._takes_over(waiter):
                    self._read(left)
                else:
                    waiter.gate.wait(left)
        except OperationalError:  # the read that follows says what is wrong, if it still is
            self._clock.pause(min(0.5, max(0.0, end - self._clock.monotonic())))
        finally:
            heard = self._leave(names, waiter)
        return heard

    def _connect(self, end: float) -> None:
        """See that there is a connection. Raises ``OperationalError``, at ``end`` at the latest."""
        if self._connection is not None:
            return
        if not self._connecting.acquire(timeout=max(0.0, end - self._clock.monotonic())):
            raise OperationalError("another thread is still connecting")
        try:
            if self._connection is None:
                self._connection = sync_connect(self._place, max(0.001, end - self._clock.monotonic()), self._clock)
        finally:
            self._connecting.release()

    def _enter(self, names: Sequence[bytes], waiter: "_Waiter") -> None:
        with self._lock:
            if self._connection is None:
                waiter.woken = True  # lost since, and the read that follows will tell
                return
            self._waiters.add(waiter)
            fresh = self._channels.enter(names, waiter)
            if fresh:  # first the subscription, then the look: what is written in between is not missed
                self._looks.append((fresh, waiter))
                self._connection.tell([("SUBSCRIBE", *fresh), ("MGET", *fresh)])
            if self._connection.standing.due(self._clock.monotonic()):
                self._looks.append(None)
                self._connection.tell([WHO])
            if self._channels.has_news(names, waiter.look):
                waiter.woken = True

    def _takes_over(self, waiter: "_Waiter") -> bool:
        with self._lock:
            waiter.gate.clear()
            if waiter.woken or self._connection is None:
                waiter.woken = True
                return False
            if self._read_by is None:
                self._read_by = waiter
            return self._read_by is waiter

    def _read(self, timeout: float) -> None:
        """Read what there is, without the lock: only one thread does."""
        connection = self._connection
        assert connection is not None
        try:
            found = connection.wait(timeout)
        except CutOff:
            with self._lock:
                self._drop()
            raise
        with self._lock:
            for one in found:
                if is_push(one):
                    self._channels.heard(one)
                elif self._looks and (look := self._looks.popleft()) is not None:
                    self._looked(*look, one)
                elif is_replica(one):
                    self._drop()

    def _looked(self, names: list[bytes], waiter: "_Waiter", found: Any) -> None:
        if is_error(found) or waiter.look(names, found):
            waiter.wake()
            self._channels.looked(names, [] if is_error(found) else found)

    def _leave(self, names: Sequence[bytes], waiter: "_Waiter") -> dict[bytes, bytes]:
        with self._lock:
            heard = self._channels.latest(names)
            self._waiters.discard(waiter)
            now = self._clock.monotonic()
            over = self._channels.leave(names, waiter, now, coming_back=not waiter.woken)
            if over and self._connection is not None:
                try:
                    self._connection.tell([("UNSUBSCRIBE", *over)])
                except CutOff:
                    self._drop()
            if self._read_by is waiter or self._read_by is None:
                self._hand_over()
        return heard

    def _hand_over(self) -> None:
        """Wake one who has yet to wait; if it leaves instead, it does the same."""
        self._read_by = None
        for other in self._waiters:
            if not other.woken:
                other.gate.set()
                return

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._looks.clear()
        self._channels.lost()

    def close(self) -> None:
        """Close the connection. The next wait opens another."""
        with self._lock:
            if self._read_by is None:
                self._drop()

    def forget(self) -> None:
        """In a forked child."""
        connection = self._connection
        self._begin()
        if connection is not None and (number := connection.sock.detach()) >= 0:
            os.close(number)


class _Waiter:
    def __init__(self, look: Look) -> None:
        self.look = look
        self.woken = False
        self.gate = threading.Event()

    def hear(self, name: bytes, record: bytes) -> None:
        self.wake()

    def wake(self) -> None:
        self.woken = True
        self.gate.set()


_lines: "weakref.WeakSet[SharedLine]" = weakref.WeakSet()


def _forget_in_child() -> None:
    for line in list(_lines):
        line.forget()


system.at_fork(after_in_child=_forget_in_child)
