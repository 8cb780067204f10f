"""The connection of one event loop to the result store: commands and subscriptions share it."""

import asyncio
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from umbel.core.errors import OperationalError
from umbel.drivers.redis import (
    WHO,
    Command,
    Connection,
    Place,
    Standing,
    connect,
    explained,
    is_elsewhere,
    is_error,
    is_replica,
)
from umbel.result.redis.channels import Channels, Look, Waiter
from umbel.result.redis.patience import limit, pauses
from umbel.runtime.clock import Clock

HUNG = 5.0
"""Seconds after which a connection that answers nobody is left, though nobody had the patience to find that out."""


class Line:
    """Belongs to one event loop. Connects when first used, and again after every loss."""

    def __init__(self, place: Place, clock: Clock, timeout: float, policy: Mapping[str, Any] | None) -> None:
        self.channels = Channels()
        self._place = place
        self._clock = clock
        self._timeout = timeout
        self._policy = policy
        self._connection: Connection | None = None
        self._standing = Standing(0.0)
        self._silent_since = inf
        """Since when (monotonic) everybody whose time was over has had no answer."""
        self._lock = asyncio.Lock()

    async def call(
        self, sent: Sequence[Command], *, patient: bool = True, within: float | None = None, sure: bool = False
    ) -> list[Any]:
        """The replies; error replies are among them. Repeats what was cut off: everything here may be repeated.

        Raises ``OperationalError`` at the end of its patience; if not ``patient``, after a second attempt; after
        ``within`` seconds in any case. If ``sure``, the replies are the master's.
        """
        policy = self._policy if patient else {"max_retries": 1}
        if within is None or within > self._timeout:
            return await self._attempts(sent, policy, self._timeout, sure)
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(within):
                return await self._attempts(sent, policy, None, sure)
        except TimeoutError as exc:
            self._unanswered(began)
            raise OperationalError(f"Redis at {self._place} gave no answer within {round(within, 3):g} s") from exc

    async def _attempts(
        self, sent: Sequence[Command], policy: Mapping[str, Any] | None, timeout: float | None, sure: bool
    ) -> list[Any]:
        end = self._clock.monotonic() + limit(policy, self._timeout)
        for pause in pauses(policy):
            try:
                return await self._try(sent, timeout, sure)
            except OperationalError:
                if self._clock.monotonic() >= end:
                    raise
                await self._clock.sleep(pause)
        return await self._try(sent, timeout, sure)

    def _unanswered(self, began: float) -> None:
        """Somebody has no more time. Others may have; a connection that has long been silent is of use to nobody."""
        self._silent_since = min(self._silent_since, began)
        if self._clock.monotonic() - self._silent_since >= HUNG:
            self.end()

    async def look(self) -> None:
        """See that the connection leads to the master. Raises ``OperationalError``."""
        await self.call([], patient=False)

    async def _try(self, sent: Sequence[Command], timeout: float | None, sure: bool) -> list[Any]:
        connection = await self.connection()
        if self._standing.due(self._clock.monotonic()) or sure:
            *replies, who = await connection.call([*sent, WHO], timeout)
            if is_replica(who):  # to the master, if it can be found; a replica will do for who is not sure
                connection.abort()
                connection = await self.connection()
                *replies, who = await connection.call([*sent, WHO], timeout)
                if sure and is_replica(who):
                    connection.abort()
                    raise explained("READONLY", self._place)
        else:
            replies = await connection.call(sent, timeout) if sent else []
        self._silent_since = inf
        if replies and is_error(replies[0]) and is_elsewhere(replies[0]):
            connection.abort()
            raise explained(replies[0], self._place)
        return replies

    async def connection(self) -> Connection:
        """The connection, open. Raises ``OperationalError``."""
        found = self._connection
        if found is not None and found.closed is None:
            return found
        async with self._lock:
            if self._connection is None or self._connection.closed is not None:
                self._connection = await connect(self._place)
                self._standing, self._silent_since = Standing(self._clock.monotonic()), inf
                self._connection.on_push = self.channels.heard
                self._connection.on_end = self.channels.lost
            return self._connection

    def end(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.abort()

    # Waiting ----------------------------------------------------------------------------------------------------------

    async def wait(self, names: Sequence[bytes], look: Look, timeout: float) -> None:
        """Return when something may have changed since the last read, or after ``timeout`` seconds."""
        end = self._clock.monotonic() + timeout
        waiter = _Waiter()
        coming_back = False
        try:
            async with asyncio.timeout(timeout):
                await self._hear(names, look, waiter)
        except TimeoutError:
            coming_back = True
        except OperationalError:  # the read that follows says what is wrong, if it still is
            await self._clock.sleep(min(0.5, max(0.0, end - self._clock.monotonic())))
        finally:
            self.leave(names, waiter, coming_back=coming_back)

    async def subscribe(self, names: Sequence[bytes], waiter: Waiter) -> None:
        """Have ``waiter`` hear what is stored under these names from now on."""
        connection = await self.connection()
        if fresh := self.channels.enter(names, waiter):
            connection.tell([("SUBSCRIBE", *fresh)])

    def leave(self, names: Sequence[bytes], waiter: Waiter, *, coming_back: bool = False) -> None:
        """``waiter`` hears no more of these."""
        over = self.channels.leave(names, waiter, self._clock.monotonic(), coming_back=coming_back)
        if over and self._connection is not None and self._connection.closed is None:
            self._connection.tell([("UNSUBSCRIBE", *over)])

    async def _hear(self, names: Sequence[bytes], look: Look, waiter: "_Waiter") -> None:
        connection = await self.connection()
        fresh = self.channels.enter(names, waiter)
        if fresh:  # first the subscription, then the look: what is written in between is not missed
            connection.tell([("SUBSCRIBE", *fresh)])
            (found,) = await connection.call([("MGET", *fresh)], self._timeout)
            if is_error(found) or look(fresh, found):
                self.channels.looked(fresh, [] if is_error(found) else found)
                return
        if not self.channels.has_news(names, look):
            await waiter.event.wait()


class _Waiter:
    def __init__(self) -> None:
        self.event = asyncio.Event()

    def hear(self, name: bytes, record: bytes) -> None:
        self.event.set()

    def wake(self) -> None:
        self.event.set()
