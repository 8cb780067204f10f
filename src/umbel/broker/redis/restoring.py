"""Kombu's restore sweep: what a Celery worker took and never acknowledged goes back to its queue. Decodes in Python."""

import re
from collections.abc import Sequence
from typing import Any

from umbel.broker.redis.channel import Call, Channel
from umbel.broker.redis.layout import Layout
from umbel.core.errors import DecodeError
from umbel.drivers.redis import BadOperation
from umbel.wire import json

_BATCH = 100


class Restorer:
    """Gives back what has been unacknowledged for longer than ``visibility_timeout`` seconds, as Celery does."""

    def __init__(self, layout: Layout, timeout: float) -> None:
        self._layout = layout
        self._timeout = timeout
        self._passed = 0
        """How many of the oldest could not be given back, and stay: the next sweep begins behind them."""

    async def sweep(self, channel: Channel) -> int:
        """Give back a bounded batch, and say how many."""
        layout = self._layout
        until = channel.clock.now() - self._timeout
        limit = ("LIMIT", self._passed, _BATCH)
        tags = await channel.run(("ZRANGEBYSCORE", layout.unacked_index, "0", repr(until), *limit))
        count, kept = 0, 0
        for tag in reversed(tags):
            entry = await channel.run(("HGET", layout.unacked, tag))
            if entry is None:
                await channel.run(("ZREM", layout.unacked_index, tag))
                continue
            targets = await self._targets(channel, entry)
            try:
                if targets:
                    put = Call("restore", layout.unacked, layout.unacked_index, tag, entry, *targets)
                    count += await channel.run(put)
                else:
                    kept += 1
            except BadOperation:  # something else stands in the place of its queue
                kept += 1
        self._passed = self._passed + kept if len(tags) == _BATCH else 0
        return count

    async def _targets(self, channel: Channel, entry: bytes) -> list[Any]:
        """List and element for each queue that the message belongs to; nothing for what cannot be read."""
        try:
            message, exchange, routing_key = json.loads(entry)
            properties = message["properties"]
            priority = properties.get("priority")
            message.setdefault("headers", {})["redelivered"] = True
            properties.setdefault("delivery_info", {})["redelivered"] = True
        except (DecodeError, ValueError, KeyError, TypeError, AttributeError):
            return []
        queues = [routing_key]
        if exchange:
            members = await channel.run(("SMEMBERS", self._layout.bindings(exchange)))
            queues = _matching([member.decode() for member in members], self._layout.sep, routing_key) or queues
        element = json.dumps(message)
        return [part for queue in queues for part in (self._layout.list_for(queue, priority), element)]


def _matching(members: Sequence[str], sep: str, routing_key: str) -> list[str]:
    """The queues that a table of bindings leads to: by pattern where there is one, else by the same key."""
    found = []
    for key, pattern, queue in (member.split(sep) for member in members if member.count(sep) == 2):
        if re.match(pattern, routing_key) if pattern else key in ("", routing_key):
            found.append(queue)
    return found
