"""Looks after what lapsed consumers on Redis held, and after all that expires; the operator's window into it."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from umbel.broker.redis.channel import Call, Channel
from umbel.broker.redis.consumer import RedisConsumer
from umbel.broker.redis.counting import Survey
from umbel.broker.redis.elements import bare
from umbel.broker.redis.layout import Layout
from umbel.broker.redis.restoring import Restorer
from umbel.broker.redis.settling import Described
from umbel.core import errors
from umbel.core.delivery import Adopted, ConsumerId, DeadLetter, Depth, Loss, Member, Revocation, Ticket
from umbel.drivers.redis.loops import PerLoop
from umbel.wire import kombu

_decode_history = msgspec.json.Decoder(tuple[Loss, ...]).decode
_decode_described = msgspec.json.Decoder(Described).decode


_START = (b"", b"")


class RedisKeeper:
    """See ``broker.base.Admin`` and ``RenewFor``. Dead letters live ``dead_expires`` s, and ``dead_limit`` of them."""

    def __init__(
        self,
        consumer: RedisConsumer,
        channels: PerLoop[Channel],
        layout: Layout,
        survey: Survey,
        restorer: Restorer,
        *,
        dead_expires: float,
        dead_limit: int,
    ) -> None:
        self._consumer = consumer
        self._channels = channels
        self._layout = layout
        self._survey = survey
        self._restorer = restorer
        self._dead_expires = dead_expires
        self._dead_limit = dead_limit
        self._hastened: dict[str, tuple[bytes, bytes]] = {}

    # Keeper -----------------------------------------------------------------------------------------------------------

    async def adopt(self, dead: ConsumerId | None, limit: int) -> list[Adopted]:
        """As the port says."""
        self._consumer.new_serials(0)
        if dead is not None:
            return await self._adopt_from(dead, limit, named=True)
        adopted: list[Adopted] = []
        for id in await self._run("lapsed", self._consumer.id, self._consumer.lease):
            if limit - len(adopted) > 0:
                adopted += await self._adopt_from(ConsumerId(id.decode()), limit - len(adopted), named=False)
        return adopted

    async def recall(self, consumer: ConsumerId, *, last: int, keep: Iterable[Ticket], above: int = 0) -> int:
        """As the port says."""
        kept = [f"{ticket.generation}:{ticket.serial}" for ticket in keep if ticket.consumer == consumer]
        return int(await self._run("recall", consumer, last, above, *kept))

    async def hasten(self, queue: str, limit: int) -> int:
        """As the port says; a bounded batch. It goes on where the last one ended, and ends with a look at all."""
        lists = self._layout.lists([queue])
        place = self._hastened.pop(queue, _START)
        from_start = place == _START
        while True:
            count, over, *after = await self._run("hasten", limit, *place, *lists)
            if over and not count and from_start:
                return 0
            from_start = from_start or bool(over)
            place = _START if over else tuple(after)
            if count:
                self._hastened[queue] = place
                return int(count)

    async def survey(self, queues: Iterable[str] | None) -> list[Depth]:
        """As the port says. A delayed message that became due counts as delayed until somebody claims."""
        channel = await self._channel()
        return await self._survey.arun(lambda sent: channel.replies(*sent), queues)

    async def purge(self, queue: str) -> int:
        """As the port says. What is delayed goes a bounded batch at a time, so that others get their turn."""
        lists = self._layout.lists([queue])
        total, cursor = 0, b""
        while cursor != b"0":
            count, cursor = await self._run("purge", cursor, *lists)
            total += count
        return total

    async def prune(self) -> int:
        """As the port says. Also gives back what Celery workers that are gone had taken (kombu's restore sweep)."""
        deleted = int(await self._run("prune", self._dead_expires, self._dead_limit))
        await self._restorer.sweep(await self._channel())
        return deleted

    async def close(self) -> None:
        """Nothing is held: the connection is the consumer's, or belongs to the event loop."""

    # WayBack ----------------------------------------------------------------------------------------------------------

    async def leave(self) -> int:
        """As the port says: a bounded batch at a time."""
        total = sum(depth.delayed for depth in await self.survey(None))
        while await self._run("leave", "1", ""):
            pass
        return total

    # RenewFor ---------------------------------------------------------------------------------------------------------

    async def enroll(self, consumer: ConsumerId, *, lease: float, width: int) -> None:
        """As the port says."""
        await self._run("enroll", consumer, lease, width)

    async def renew_for(self, consumers: Iterable[ConsumerId], *, lease: float) -> frozenset[ConsumerId]:
        """As the port says."""
        unknown = await self._run("stand_in", lease, *consumers)
        return frozenset(ConsumerId(id.decode()) for id in unknown)

    # Limits -----------------------------------------------------------------------------------------------------------

    async def slots(self, name: str, interval: float, count: int) -> list[float]:
        """As the port says."""
        first = float(await self._run("limit", name, repr(float(interval)), count))
        return [first + index * interval for index in range(count)]

    # Revocations ------------------------------------------------------------------------------------------------------

    async def revoke(self, marks: Sequence[Revocation], *, expires: float) -> int:
        """As the port says."""
        flat = [text for mark in marks for text in (mark.task_id, mark.terminate or "")]
        return int(await self._run("revoke", math.ceil(expires), *flat))

    async def revoked(self) -> tuple[int, dict[str, Revocation]]:
        """As the port says."""
        version, *flat = await self._run("revoked")
        names = [text.decode() for text in flat]
        marks = zip(names[::2], names[1::2], strict=True)
        return version, {id: Revocation(id, terminate or None) for id, terminate in marks}

    async def pardon(self, ids: Sequence[str]) -> int:
        """As the port says."""
        return int(await self._run("pardon", *ids))

    # Register ---------------------------------------------------------------------------------------------------------

    async def members(self) -> list[Member]:
        """As the port says."""
        return [_member(*known) for known in await self._run("members")]

    # Dead letters -----------------------------------------------------------------------------------------------------

    async def dead(self, *, ids: Sequence[str] | None = None, limit: int = 100) -> list[DeadLetter]:
        """As the port says. What has expired is not shown, pruned or not."""
        if ids is not None and not ids:
            return []
        found = await self._run("dead", self._dead_expires, limit, *(ids or ()))
        return [self._letter(id.decode(), body) for id, body in zip(found[::2], found[1::2], strict=True)]

    async def revive(self, ids: Sequence[str]) -> int:
        """As the port says."""
        return int(await self._run("revive", "1", *ids))

    async def discard(self, ids: Sequence[str]) -> int:
        """As the port says."""
        return int(await self._run("revive", "", *ids))

    # Inside -----------------------------------------------------------------------------------------------------------

    async def _channel(self) -> Channel:
        """The consumer's connection where it has one, which saves the server another."""
        return self._consumer.channel if self._consumer.is_open else await self._channels.get()

    async def _run(self, name: str, *args: Any) -> Any:
        return await (await self._channel()).run(Call(name, *args))

    async def _adopt_from(self, dead: ConsumerId, limit: int, *, named: bool) -> list[Adopted]:
        if dead == self._consumer.id:
            return []
        generation, first = self._consumer.new_serials(limit)
        args = (dead, "1" if named else "", self._consumer.id, generation, first, limit)
        answer = await self._run("adopt", *args)
        if not answer:
            return []
        node, pid, width, stopping, before, moved = answer
        taken = [(first + index, value, bool(begun)) for index, (_, begun, value) in enumerate(moved)]
        deliveries = await self._consumer.take_over(taken, generation)
        return [
            Adopted(
                delivery,
                dead,
                int(field.rpartition(b":")[2]),
                int(before) + index,
                int(width or 1),
                bool(begun),
                bool(stopping),
                node.decode(),
                int(pid) if pid else None,
            )
            for index, (delivery, (field, begun, _)) in enumerate(zip(deliveries, moved, strict=True))
        ]

    def _letter(self, id: str, body: bytes) -> DeadLetter:
        at, key, history, described, element = body.split(b"\0", 4)
        about = _decode_described(described)
        raw = bare(element)
        queue = self._layout.queue_of(key.decode())
        letter = DeadLetter(id, queue, about.reason, about.detail, float(at), None, traceback=about.traceback)
        letter.history = _decode_history(b"[" + history + b"]")
        try:
            letter.message = kombu.decode(raw)
        except errors.Undecodable:
            letter.raw = raw
        return letter


def _member(id: bytes, node: bytes, pid: bytes, width: bytes, queues: bytes, claimed: int, alive: int) -> Member:
    names = tuple(name for name in queues.decode().split("\0") if name)
    number = int(pid) if pid else None
    return Member(ConsumerId(id.decode()), node.decode(), number, int(width or 0), names, claimed, bool(alive))
