"""Fan-out on Redis: hears what is published to kombu's channels, and puts it into one worker's copies of its queues.

A channel keeps nothing: what is sent while nobody listens reaches nobody. From the copy on, a message is like others.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from umbel.broker.redis.channel import Call, Channel
from umbel.broker.redis.elements import tag_in
from umbel.broker.redis.layout import Layout
from umbel.core.queues import Queue
from umbel.drivers.redis import Connection, Place, explained, is_error, unreachable
from umbel.runtime.clock import Clock

LOOK_EVERY = 10.0
"""Seconds without news after which the server is asked whether it is still there."""
AT_ONCE = 256
ASK_AGAIN = 0.5
"""Seconds until a server that refuses is asked again."""


class Copier:
    """See ``broker.base.Broadcasts``. Belongs to one event loop."""

    def __init__(self, place: Place, layout: Layout, clock: Clock) -> None:
        self._place = place
        self._layout = layout
        self._clock = clock

    async def copy(self, copies: Mapping[str, Queue], listening: Callable[[], None]) -> None:
        """As the port says."""
        channel = Channel(self._place, self._layout, self._clock)
        ear = _Ear(self._layout, copies)
        try:
            connection = await channel.opened()
            connection.on_push = ear.hear
            connection.tell(ear.subscriptions())
            await self._still_there(channel, connection, copies)
            listening()
            while True:
                if not ear.heard:
                    await self._news(channel, connection, copies)
                while ear.heard:
                    await self._put(channel, connection, ear)
        finally:
            channel.close()

    async def drop(self, copies: Iterable[str]) -> None:
        """As the port says."""
        channel = Channel(self._place, self._layout, self._clock)
        try:
            await channel.run(Call("drop", *self._layout.lists(copies)))
        finally:
            channel.close()

    async def _news(self, channel: Channel, connection: Connection, copies: Mapping[str, Queue]) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY):
                await connection.pushed.wait()
            connection.pushed.clear()
        except TimeoutError:
            await self._still_there(channel, connection, copies)
        if connection.closed is not None:
            raise unreachable(connection.closed, self._place)

    async def _still_there(self, channel: Channel, connection: Connection, copies: Mapping[str, Queue]) -> None:
        """Ask; and let copies that hold something not be forgotten."""
        calls = [Call("cast", key) for key in self._layout.lists(copies)]
        for reply in await channel.on(connection, calls, channel.patience):
            if is_error(reply):
                raise explained(reply, self._place)

    async def _put(self, channel: Channel, connection: Connection, ear: "_Ear") -> None:
        """Put what was heard into the copies. A server that refuses, being full, is asked again."""
        taken = ear.heard[:AT_ONCE]
        by_copy: dict[str, list[bytes]] = {}
        for copy, element in taken:
            by_copy.setdefault(self._layout.list_for(copy, 0), []).append(element)
        calls = [Call("cast", key, *elements) for key, elements in by_copy.items()]
        for reply in await channel.on(connection, calls, channel.patience):
            if is_error(reply):
                await self._clock.sleep(ASK_AGAIN)
                return
        del ear.heard[: len(taken)]


class _Ear:
    """What came in, by the copies that it is for."""

    def __init__(self, layout: Layout, copies: Mapping[str, Queue]) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._copies: dict[bytes, list[str]] = {}
        for copy, queue in copies.items():
            for channel in layout.heard(queue.exchange.name):
                self._copies.setdefault(channel.encode(), []).append(copy)
        self._patterns = [layout.heard(queue.exchange.name)[1] for queue in copies.values()]
        self._channels = [layout.heard(queue.exchange.name)[0] for queue in copies.values()]

    def subscriptions(self) -> list[tuple[str, ...]]:
        """The commands that make the server tell."""
        return [("SUBSCRIBE", *self._channels), ("PSUBSCRIBE", *self._patterns)]

    def hear(self, push: list[Any]) -> None:
        """One push of the server."""
        if push[0] in (b"message", b"pmessage"):
            for copy in self._copies.get(push[1], ()):
                self.heard.append((copy, _own(push[-1])))


def _own(element: bytes) -> bytes:
    """The element with a delivery tag of its own: what is remembered of one copy is not true of the others."""
    tag = tag_in(element)
    return element.replace(f'"{tag}"'.encode(), f'"{secrets.token_hex(16)}"'.encode(), 1) if tag else element
