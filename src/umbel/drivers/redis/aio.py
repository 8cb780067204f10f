"""A pipelined connection for asyncio: hiredis packs and parses whole batches. Repeats nothing; the caller decides that.

Calls may overlap: replies come back in the order in which commands were sent. What the server pushes by itself
(RESP3) never counts as a reply: it is latched, and kept for whoever waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis

from umbel.core.errors import OperationalError
from umbel.drivers.redis.handshake import (
    Command,
    Greeting,
    commands,
    greeted,
    master_address,
    sentinels,
    tune,
    who_is_master,
)
from umbel.drivers.redis.place import Place
from umbel.drivers.redis.trouble import CutOff, unreachable

_Push = hiredis.PushNotification
_pack = hiredis.pack_command


class Waiter:
    """Somebody who waits for so many replies."""

    __slots__ = ("future", "left", "replies")

    def __init__(self, future: "asyncio.Future[list[Any]]", count: int) -> None:
        self.future = future
        self.left = count
        self.replies: list[Any] = []


class Connection(asyncio.Protocol):
    """One connection, from ``connect`` to its end. Belongs to one event loop."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.greeting = Greeting((0,))
        self.pushed = asyncio.Event()
        """Set by every push and by the end of the connection; whoever waits clears it first."""
        self.closed: BaseException | None = None
        self.on_push: Callable[[list[Any]], None] | None = None
        """Given every push, if it is set: what a subscription brings."""
        self.on_end: Callable[[], None] | None = None
        """Called once, when the connection ends."""
        self._reader = hiredis.Reader()
        self._waiters: deque[Waiter] = deque()
        self._transport: asyncio.Transport | None = None

    async def call(self, sent: Sequence[Command], timeout: float | None = None) -> list[Any]:
        """Send commands and return their replies; an error reply is returned, not raised.

        Raises ``CutOff`` when the connection ends first, also because ``timeout`` seconds passed, and
        ``OperationalError`` if it had ended before anything was sent.
        """
        if self.closed is not None or self._transport is None:
            raise unreachable(self.closed or ConnectionError("not connected"), self.place)
        packed = _pack(sent[0]) if len(sent) == 1 else b"".join(map(_pack, sent))  # or it raises: then nobody waits
        waiter = Waiter(asyncio.get_running_loop().create_future(), len(sent))
        self._waiters.append(waiter)
        self._transport.write(packed)
        if timeout is None:
            return await waiter.future
        try:
            async with asyncio.timeout(timeout):
                return await waiter.future
        except TimeoutError as exc:
            self.abort(exc)  # the replies that are still to come would be taken for others'
            raise CutOff(f"Redis at {self.place} did not answer within {round(timeout, 3):g} s") from exc

    def tell(self, sent: Sequence[Command]) -> None:
        """Send commands that are answered by pushes alone (SUBSCRIBE and its like). Raises ``OperationalError``."""
        if self.closed is not None or self._transport is None:
            raise unreachable(self.closed or ConnectionError("not connected"), self.place)
        self._transport.write(b"".join(map(_pack, sent)))

    def abort(self, error: BaseException | None = None) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()
        self._end(error or ConnectionError("the connection was closed"))

    # asyncio.Protocol -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio says."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        tune(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """As asyncio says."""
        reader, waiters = self._reader, self._waiters
        reader.feed(data)
        try:
            while (reply := reader.gets()) is not False:
                if type(reply) is _Push:
                    self.pushed.set()
                    if self.on_push is not None:
                        self.on_push(reply)
                    continue
                waiter = waiters[0]
                waiter.replies.append(reply)
                waiter.left -= 1
                if not waiter.left:
                    waiters.popleft()
                    if not waiter.future.done():
                        waiter.future.set_result(waiter.replies)
        except (hiredis.ProtocolError, IndexError) as exc:
            self.abort(exc)

    def connection_lost(self, exc: BaseException | None) -> None:
        """As asyncio says."""
        self._end(exc or ConnectionError("the server closed the connection"))

    def _end(self, error: BaseException) -> None:
        if self.closed is None:
            self.closed = error
            if self.on_end is not None:
                self.on_end()
        self.pushed.set()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.future.done():
                cut = CutOff(f"the connection to Redis at {self.place} was lost: {error}")
                cut.__cause__ = error
                waiter.future.set_exception(cut)


async def connect(place: Place, timeout: float | None = None) -> Connection:
    """A connection that has said who it is and which database it wants. Raises ``OperationalError``."""
    limit = place.connect_timeout if timeout is None else min(timeout, place.connect_timeout)
    try:
        async with asyncio.timeout(limit):
            connection = await _connected(place, limit)
            try:
                replies = await connection.call(commands(place))
                connection.greeting = greeted(replies, place)
            except BaseException:
                connection.abort()
                raise
    except (OSError, CutOff) as exc:
        raise unreachable(exc, place) from exc
    return connection


async def _connected(place: Place, limit: float) -> Connection:
    loop = asyncio.get_running_loop()
    context = place.tls_context()
    if place.path is not None:
        made: Any = await loop.create_unix_connection(lambda: Connection(place), place.path)
    else:
        host, port = await find_master(place, limit) if place.master is not None else place.hosts[0]
        made = await loop.create_connection(lambda: Connection(place), host, port, ssl=context)
    connection: Connection = made[1]
    return connection


async def find_master(place: Place, timeout: float) -> tuple[str, int]:
    """Host and port of the master, from the first sentinel that knows. Raises ``OperationalError``.

    Each gets its share of ``timeout`` seconds: one that is gone without a word must not keep the next from being asked.
    """
    last: OperationalError | None = None
    share = timeout / (len(place.hosts) + 1)
    for sentinel in sentinels(place):
        try:
            connection = await connect(sentinel, share)
            try:
                (reply,) = await connection.call([who_is_master(place)], share)
            finally:
                connection.abort()
            return master_address(reply, place)
        except OperationalError as exc:
            last = exc
    assert last is not None
    raise last
