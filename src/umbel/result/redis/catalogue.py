"""Which workflows there are, in Redis (``result.base.Catalogue``): a sorted set of their keys by when they were called.

The set expires with the youngest of them; whoever adds one takes out what is too old.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from umbel.core.record import Record
from umbel.drivers.redis import Command, Place, explained, is_error
from umbel.result.trouble import reading
from umbel.runtime.clock import Clock

Calls = Callable[[Sequence[Command]], Awaitable[list[Any]]]


class RedisCatalogue:
    """See ``result.base.Catalogue``. ``write`` stores records, and sends more commands with them."""

    def __init__(
        self,
        place: Place,
        prefix: str,
        ttl: int,
        clock: Clock,
        write: "Callable[[Sequence[Record], Sequence[Command]], Awaitable[None]]",
        write_sync: "Callable[[Sequence[Record], Sequence[Command]], None]",
        call: Calls,
    ) -> None:
        self._place = place
        self._key = f"{prefix}umbel:workflows"
        self._ttl = ttl
        self._clock = clock
        self._write = write
        self._write_sync = write_sync
        self._call = call

    def note_sync(self, key: str, records: Sequence[Record]) -> None:
        """As the port says: one round trip."""
        self._write_sync(records, self._noting(key))

    async def note(self, key: str, records: Sequence[Record]) -> None:
        """As the port says: one round trip."""
        await self._write(records, self._noting(key))

    async def newest(self, limit: int) -> list[str]:
        """As the port says."""
        since = f"({self._clock.now() - self._ttl}" if self._ttl else "-inf"
        with reading(()):
            (found,) = await self._call([("ZREVRANGEBYSCORE", self._key, "+inf", since, "LIMIT", 0, limit)])
            if is_error(found):
                raise explained(found, self._place)
        return [key.decode() for key in found]

    def _noting(self, key: str) -> list[Command]:
        now = self._clock.now()
        sent: list[Command] = [("ZADD", self._key, repr(now), key)]
        if self._ttl:
            sent += [("ZREMRANGEBYSCORE", self._key, "-inf", repr(now - self._ttl)), ("EXPIRE", self._key, self._ttl)]
        return sent
