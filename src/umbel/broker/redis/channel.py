"""A connection with Umbel's scripts on the server, async and blocking. Knows how to call; decides nothing."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from umbel.broker.redis.layout import Layout
from umbel.broker.redis.scripts import Script, scripts_for
from umbel.drivers.redis import (
    Command,
    Connection,
    Place,
    Pool,
    SyncConnection,
    connect,
    explained,
    is_elsewhere,
    is_error,
    unreachable,
)
from umbel.runtime.clock import SYSTEM, Clock

PATIENCE = 5.0
"""Seconds that an answer may take, where no lease says less."""


class Call:
    """One call of a script, not yet bound to a server's version."""

    __slots__ = ("args", "keys", "load", "name")

    def __init__(self, name: str, *args: Any, keys: Sequence[str] = (), load: bool = False) -> None:
        self.name = name
        self.args = args
        self.keys = keys
        """Keys beside the common prefix, where the server has to know which the script reads."""
        self.load = load
        """Give the server the script and do not run it: inside a transaction an unknown one is found out too late."""

    def command(self, scripts: dict[str, Script], layout: Layout, now: str) -> Command:
        """As the server takes it."""
        if self.load:
            return ("SCRIPT", "LOAD", scripts[self.name].text)
        if not self.keys:
            return ("EVALSHA", scripts[self.name].sha, "1", layout.own, now, *self.args)
        return ("EVALSHA", scripts[self.name].sha, 1 + len(self.keys), layout.own, *self.keys, now, *self.args)


Sent = Call | Command


class Shape:
    """What both kinds of channel share: how calls become commands, and replies answers."""

    def __init__(self, place: Place, layout: Layout, clock: Clock) -> None:
        self.place = place
        self.layout = layout
        self.clock = clock

    def now(self) -> str:
        """What the scripts are told: nothing, so that they read the server's clock; in tests, the test's time."""
        return "" if self.clock is SYSTEM else repr(self.clock.now())

    def commands(self, sent: Sequence[Sent], scripts: dict[str, Script]) -> Sequence[Command]:
        """Commands for calls."""
        if Call not in map(type, sent):
            return sent  # type: ignore[return-value]
        now = self.now()
        return [one.command(scripts, self.layout, now) if type(one) is Call else one for one in sent]  # type: ignore[misc]

    def answer(self, reply: Any) -> Any:
        """A reply that is no error. Raises ``OperationalError``."""
        if is_error(reply):
            raise explained(reply, self.place)
        return reply


def unloaded(replies: Sequence[Any]) -> list[int]:
    """Which commands met a server that does not know their script: nothing of them was done."""
    return [index for index, reply in enumerate(replies) if is_error(reply) and str(reply).startswith("NOSCRIPT")]


def loading(scripts: dict[str, Script]) -> list[Command]:
    """Commands that give the server every script."""
    return [("SCRIPT", "LOAD", script.text) for script in scripts.values()]


class Channel(Shape):
    """For one event loop. Connects when first asked, and again after every loss."""

    def __init__(self, place: Place, layout: Layout, clock: Clock, *, patience: float = PATIENCE) -> None:
        super().__init__(place, layout, clock)
        self.patience = patience
        self.known: set[str] = set()
        """For whoever uses the connection: what it has told the server, and need not tell again."""
        self._connection: Connection | None = None
        self._scripts: dict[str, Script] = {}
        self._lock = asyncio.Lock()

    async def opened(self, timeout: float | None = None) -> Connection:
        """The connection, made if there is none, within ``timeout`` seconds in all. Raises ``OperationalError``."""
        connection = self._connection
        if connection is not None and connection.closed is None:
            return connection
        try:
            async with asyncio.timeout(timeout), self._lock:  # others may be trying
                connection = self._connection
                if connection is None or connection.closed is not None:
                    connection = await self._connected(self.patience if timeout is None else timeout)
        except TimeoutError as exc:
            raise unreachable(exc, self.place) from exc
        return connection

    async def _connected(self, timeout: float) -> Connection:
        connection = await connect(self.place, timeout)
        try:
            self._scripts = scripts_for(connection.greeting.version)
            await self._load(connection)
        except BaseException:
            connection.abort()
            raise
        self._connection, self.known = connection, set()
        return connection

    async def replies(self, *sent: Sent, timeout: float | None = None) -> list[Any]:
        """What the server answers, errors among it. Raises ``OperationalError`` if the connection fails."""
        connection = await self.opened()
        return await self.on(connection, sent, self.patience if timeout is None else timeout)

    async def on(self, connection: Connection, sent: Sequence[Sent], timeout: float) -> list[Any]:
        """As ``replies``, on a connection that is open."""
        commands = self.commands(sent, self._scripts)
        replies = await connection.call(commands, timeout)
        for reply in replies:
            if is_error(reply):
                break
        else:
            return replies
        if again := unloaded(replies):
            await self._load(connection)
            repeated = await connection.call([commands[index] for index in again], timeout)
            for index, reply in zip(again, repeated, strict=True):
                replies[index] = reply
        if any(is_error(reply) and is_elsewhere(reply) for reply in replies):
            connection.abort()  # the next attempt finds the master again
        return replies

    async def run(self, call: Sent) -> Any:
        """The answer to one call. Raises ``OperationalError``."""
        (reply,) = await self.replies(call)
        return self.answer(reply)

    async def _load(self, connection: Connection) -> None:
        scripts = self._scripts
        known = ("SCRIPT", "EXISTS", *(script.sha for script in scripts.values()))
        (found,) = await connection.call([known], self.patience)
        if is_error(found) or not all(found):
            for reply in await connection.call(loading(scripts), self.patience):
                self.answer(reply)

    def close(self) -> None:
        """Free the connection. The next call makes a new one."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None


class SyncChannel(Shape):
    """For threads, and after a fork: each call takes a connection of a pool."""

    def __init__(self, place: Place, layout: Layout, clock: Clock, *, most: int | None = None) -> None:
        super().__init__(place, layout, clock)
        self._pool = Pool(place, most=most)
        self.connection: Callable[[float], AbstractContextManager[SyncConnection]] = self._pool.connection
        """A connection, for as long as the context lasts. Raises ``OperationalError``."""
        self.take, self.give = self._pool.take, self._pool.give

    def on(self, connection: SyncConnection, sent: Sequence[Sent], timeout: float) -> list[Any]:
        """What the server answers on this connection, errors among it. Raises ``CutOff``."""
        scripts = scripts_for(connection.greeting.version)
        commands = self.commands(sent, scripts)
        replies = connection.call(commands, timeout)
        if any(map(is_error, replies)):
            if again := unloaded(replies):
                for reply in connection.call(loading(scripts), timeout):
                    self.answer(reply)
                repeated = connection.call([commands[index] for index in again], timeout)
                for index, reply in zip(again, repeated, strict=True):
                    replies[index] = reply
            if any(is_error(reply) and is_elsewhere(reply) for reply in replies):
                connection.close()
                self._pool.close()  # the others lead there too
        return replies

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()
