"""Pipelined connections for threads: a socket and hiredis. A pool hands them out; safe from many threads, after a fork.

Every call has one deadline, and connecting is inside it.
"""

import os
import socket
import ssl
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

import hiredis

from umbel.core.errors import OperationalError
from umbel.drivers.redis.handshake import (
    Command,
    Greeting,
    Standing,
    commands,
    greeted,
    master_address,
    sentinels,
    tune,
    who_is_master,
)
from umbel.drivers.redis.place import Place
from umbel.drivers.redis.trouble import CutOff, unreachable
from umbel.runtime import system
from umbel.runtime.clock import SYSTEM, Clock

_pack = hiredis.pack_command
_Push = hiredis.PushNotification
_CHUNK = 1 << 16
_LOOKS = 40
"""How often to look for an answer before falling asleep: some 50 µs, about what sleeping and being woken takes."""
_MOST_VAIN = 10
"""After so many vain attempts in a row, and more, one call of 1,024 looks."""
_ENOUGH_CPUS = len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)) > 1
_ESTABLISHED = b"\x01"
"""The first byte of Linux' TCP_INFO while both ends are open."""


class SyncConnection:
    """One connection, used by one thread at a time."""

    def __init__(self, place: Place, sock: socket.socket, clock: Clock = SYSTEM) -> None:
        self.place = place
        self.sock = sock
        self.greeting = Greeting((0,))
        self.standing = Standing(clock.monotonic())
        self.pushes: list[Any] = []
        self.known: set[str] = set()
        """For whoever uses the connection: what it has told the server, and need not tell again."""
        self._reader = hiredis.Reader()
        self._clock = clock
        self._timeout: float | None = sock.gettimeout()
        self._shows_state = _shows_state(sock)
        self._watches = _ENOUGH_CPUS and not isinstance(sock, ssl.SSLSocket)
        self._vain = 0  # how many times in a row nothing was seen, and
        self._rests = 0  # for how many calls not to look

    def call(self, sent: Sequence[Command], timeout: float | None = None) -> list[Any]:
        """Send commands and return their replies; an error reply is returned, not raised. Raises ``CutOff``."""
        end = None if timeout is None else self._clock.monotonic() + timeout
        replies: list[Any] = []
        try:
            self._allow(timeout)
            self.sock.sendall(_pack(sent[0]) if len(sent) == 1 else b"".join(map(_pack, sent)))
            fed = self._watch()
            while len(replies) < len(sent):
                if not fed:
                    self._feed(end)
                fed = False
                while (reply := self._reader.gets()) is not False:
                    (self.pushes if type(reply) is _Push else replies).append(reply)
        except TimeoutError as exc:
            self.close()
            raise CutOff(f"Redis at {self.place} did not answer within {round(timeout or 0, 3):g} s") from exc
        except (OSError, hiredis.ProtocolError) as exc:
            self.close()
            raise CutOff(f"the connection to Redis at {self.place} was lost: {exc}") from exc
        except BaseException:
            self.close()  # interrupted: the replies that are still to come would be taken for others'
            raise
        return replies

    def tell(self, sent: Sequence[Command]) -> None:
        """Send commands and do not read: what comes back is found by ``wait``. Raises ``CutOff``."""
        try:
            self.sock.sendall(b"".join(map(_pack, sent)))
        except OSError as exc:
            self.close()
            raise CutOff(f"the connection to Redis at {self.place} was lost: {exc}") from exc

    def wait(self, timeout: float) -> list[Any]:
        """What the server pushed, waiting for it up to ``timeout`` seconds. Raises ``CutOff``."""
        end = self._clock.monotonic() + timeout
        try:
            while not self.pushes:
                reply = self._reader.gets()
                if reply is False:
                    self._feed(end)
                else:
                    self.pushes.append(reply)
        except TimeoutError:
            pass
        except (OSError, hiredis.ProtocolError) as exc:
            self.close()
            raise CutOff(f"the connection to Redis at {self.place} was lost: {exc}") from exc
        found, self.pushes = self.pushes, []
        return found

    def is_stale(self) -> bool:
        """Whether the other end has closed: seen before anything is sent, it costs nothing but a reconnect."""
        if self.sock.fileno() < 0:
            return True
        if self._shows_state:
            return self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != _ESTABLISHED
        try:
            self._allow(0.0)
            data = self.sock.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as exc:
            return type(exc).__name__ not in ("SSLWantReadError", "SSLWantWriteError")
        if data:
            self._reader.feed(data)
        return not data

    def close(self) -> None:
        """Close the socket. Safe to repeat."""
        self.sock.close()

    def _allow(self, seconds: float | None) -> None:
        """Let the next call of the socket take so long, or nearly: to say it anew is a call of the system, too."""
        had = self._timeout
        if seconds is None or had is None or not 0.99 * seconds <= had <= 1.01 * seconds:
            self.sock.settimeout(seconds)
            self._timeout = seconds

    def _watch(self) -> bool:
        """Look whether the answer comes at once: it does from a server nearby, and sleeping would double its time.

        Where looking is in vain it is done ever more rarely.
        """
        if self._rests or not self._watches:
            self._rests -= 1
            return False
        number = self.sock.fileno()
        for _ in range(_LOOKS):
            try:
                data = os.read(number, _CHUNK)  # the socket's own recv() would wait
            except BlockingIOError:
                continue
            if not data:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(data)
            self._vain = 0
            return True
        self._vain = min(self._vain + 1, _MOST_VAIN)
        self._rests = 2**self._vain
        return False

    def _feed(self, end: float | None) -> None:
        if end is not None:
            left = end - self._clock.monotonic()
            if left <= 0:
                raise TimeoutError
            self._allow(left)
        data = self.sock.recv(_CHUNK)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._reader.feed(data)


def connect(place: Place, timeout: float | None = None, clock: Clock = SYSTEM) -> SyncConnection:
    """A connection that has said who it is and which database it wants. Raises ``OperationalError``."""
    limit = place.connect_timeout if timeout is None else min(timeout, place.connect_timeout)
    end = clock.monotonic() + limit
    try:
        connection = SyncConnection(place, _socket(place, end, clock), clock)
        try:
            connection.greeting = greeted(connection.call(commands(place), max(0.001, end - clock.monotonic())), place)
        except BaseException:
            connection.close()
            raise
    except (OSError, CutOff) as exc:
        raise unreachable(exc, place) from exc
    return connection


def _shows_state(sock: socket.socket) -> bool:
    """Whether the system tells the state of this connection without a read."""
    return sys.platform == "linux" and sock.family in (socket.AF_INET, socket.AF_INET6)


def _socket(place: Place, end: float, clock: Clock) -> socket.socket:
    def left() -> float:
        return max(0.001, end - clock.monotonic())

    if place.path is not None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(left())
            sock.connect(place.path)
        except OSError:
            sock.close()
            raise
        return sock
    host, port = find_master(place, left()) if place.master is not None else place.hosts[0]
    sock = socket.create_connection((host, port), left())
    tune(sock)
    context = place.tls_context()
    if context is None:
        return sock
    try:
        sock.settimeout(left())
        return context.wrap_socket(sock, server_hostname=host)
    except OSError:
        sock.close()
        raise


def find_master(place: Place, timeout: float) -> tuple[str, int]:
    """Host and port of the master, from the first sentinel that knows. Raises ``OperationalError``.

    Each gets its share of ``timeout`` seconds: one that is gone without a word must not keep the next from being asked.
    """
    last: OperationalError | None = None
    share = timeout / (len(place.hosts) + 1)
    for sentinel in sentinels(place):
        try:
            connection = connect(sentinel, share)
            try:
                (reply,) = connection.call([who_is_master(place)], share)
            finally:
                connection.close()
            return master_address(reply, place)
        except OperationalError as exc:
            last = exc
    assert last is not None
    raise last


def is_push(reply: Any) -> bool:
    """Whether the server said this by itself (RESP3), and not as an answer."""
    return isinstance(reply, _Push)


class Pool:
    """Idle connections to one place. A forked child starts with none, and leaves its parent's alone.

    ``most``: how many there are at once, idle or in use; None is any number, and with 0 none is kept.
    """

    def __init__(self, place: Place, clock: Clock = SYSTEM, *, most: int | None = None) -> None:
        self.place = place
        self.most = most
        self._free = _tokens(most)
        self._clock = clock
        self._idle: list[SyncConnection] = []  # appending and popping need no lock
        _pools.add(self)

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[SyncConnection]:
        """A connection that is in order, for one thread; back it goes unless it broke. Raises ``OperationalError``."""
        found = self.take(timeout)
        try:
            yield found
        finally:
            self.give(found)

    def take(self, timeout: float | None = None) -> SyncConnection:
        """A connection that is in order; whoever takes it gives it back. Raises ``OperationalError``."""
        if self._free is not None:
            began = self._clock.monotonic()
            try:
                self._free.get(timeout=timeout)
            except Empty:
                told = f"all {self.most} connections to Redis at {self.place} were in use for {timeout or 0:g} s"
                raise OperationalError(f"{told}; see broker_pool_limit and redis_max_connections") from None
            if timeout is not None:
                timeout = max(0.001, timeout - (self._clock.monotonic() - began))
        try:
            return self._taken(timeout)
        except BaseException:
            self._release()
            raise

    def _taken(self, timeout: float | None) -> SyncConnection:
        while True:
            try:
                found = self._idle.pop()
            except IndexError:
                return connect(self.place, timeout, self._clock)
            if not found.is_stale():
                return found
            found.close()

    def give(self, connection: SyncConnection) -> None:
        """Take a connection back, unless it broke."""
        if self.most == 0:
            connection.close()
        elif connection.sock.fileno() >= 0:
            self._idle.append(connection)
        self._release()

    def _release(self) -> None:
        if self._free is not None:
            self._free.put(None)

    def close(self) -> None:
        """Close idle connections. The pool stays usable."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __del__(self) -> None:
        for connection in self._idle:  # nobody can ask for them any more
            connection.close()

    def forget(self) -> None:
        """In a forked child: the sockets are the parent's. Closing our copies says nothing on the wire."""
        self._free = _tokens(self.most)
        idle, self._idle = self._idle, []
        for connection in idle:
            try:
                os.close(connection.sock.detach())
            except OSError:
                pass


def _tokens(most: int | None) -> "SimpleQueue[None] | None":
    """One for each connection that there may be. Taking and giving one back costs next to nothing."""
    if not most:
        return None
    tokens: SimpleQueue[None] = SimpleQueue()
    for _ in range(most):
        tokens.put(None)
    return tokens


_pools: "weakref.WeakSet[Pool]" = weakref.WeakSet()


def _forget_in_child() -> None:
    for pool in list(_pools):
        pool.forget()


system.at_fork(after_in_child=_forget_in_child)
