"""The ends of many results as they come: subscribed once, looked at once, then only heard (``result.base.Feed``)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from umbel.core.errors import OperationalError
from umbel.core.record import Record
from umbel.drivers.redis import Command
from umbel.result.redis.line import Line
from umbel.result.trouble import reading

AT_ONCE = 1000
"""Keys asked for by one command."""


class RedisFeed:
    """See ``result.base.Feed``. Belongs to one event loop; a waiter of its line's channels."""

    def __init__(
        self,
        ids: Sequence[str],
        names: Callable[[Sequence[str]], list[bytes]],
        line: Callable[[], Awaitable[Line]],
        ends: Callable[[Mapping[bytes, bytes]], dict[str, Record]],
        check: Callable[[Sequence[Any]], None],
    ) -> None:
        self._names = names
        self._left = dict.fromkeys(names(ids))
        self._subscribed: list[bytes] = []
        self._get_line = line
        self._ends = ends
        self._check = check
        self._line: Line | None = None
        self._came: dict[bytes, bytes] = {}
        self._event = asyncio.Event()

    # As a waiter ------------------------------------------------------------------------------------------------------

    def hear(self, name: bytes, record: bytes) -> None:
        """This came."""
        self._came[name] = record
        self._event.set()

    def wake(self) -> None:
        """The connection is lost, and with it the subscription."""
        self._line = None
        self._event.set()

    # As a feed --------------------------------------------------------------------------------------------------------

    async def next(self, timeout: float) -> dict[str, Record]:
        """As the port says."""
        if self._line is None:
            await self._begin()
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            await self._still_there()
            return {}
        self._event.clear()
        came, self._came = self._came, {}
        found = self._ends({name: record for name, record in came.items() if name in self._left})
        for name in self._names(list(found)):
            self._left.pop(name, None)
        return found

    async def close(self) -> None:
        """As the port says."""
        line, self._line = self._line, None
        if line is not None:
            line.leave(self._subscribed, self)

    async def _still_there(self) -> None:
        """Nothing was heard: it may be that nothing is told there any more."""
        if self._line is not None:
            with suppress(OperationalError):  # beginning anew is patient
                await self._line.look()

    async def _begin(self) -> None:
        """First the subscription, then the look: what is written in between is not missed."""
        line = await self._get_line()
        names = self._subscribed = list(self._left)
        self._line = line
        sent: list[Command] = [("MGET", *names[at : at + AT_ONCE]) for at in range(0, len(names), AT_ONCE)]
        with reading(()):
            await self._subscribe(line, names)
            replies = await line.call(sent)
            self._check(replies)
        records = (record for reply in replies for record in reply)
        for name, record in zip(names, records, strict=True):
            if record is not None:
                self.hear(name, record)

    async def _subscribe(self, line: Line, names: Sequence[bytes]) -> None:
        try:
            await line.subscribe(names, self)
        except OperationalError:
            await line.call([("PING",)])  # as patiently as reading is, while the server is away
            await line.subscribe(names, self)
