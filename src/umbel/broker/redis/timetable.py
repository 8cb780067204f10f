"""Schedules and their ticks on Redis: five scripts, and what their answers mean. Decides nothing.

``book:NAME`` hash (version, forgotten, beat, epoch, ends) · ``book:NAME:entries`` hash · ``book:NAME:versions`` zset ·
``book:NAME:dropped`` zset · ``book:NAME:marks`` hash; all below ``umbel:``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from umbel.broker.redis.channel import Call, Channel, Sent
from umbel.broker.redis.layout import Layout
from umbel.broker.redis.settling import outgoing_args
from umbel.core.delivery import ACCEPTED, Refused, Unknown
from umbel.core.errors import OperationalError, UmbelError
from umbel.core.timetable import FENCED, SEEN, Changes, Kept, Lead, Mark, Tick, TickReceipt
from umbel.drivers.redis import BadOperation, CutOff, explained, is_error
from umbel.drivers.redis.loops import PerLoop

BATCH = 64
"""Ticks in one run of the script, and names in one of the others: a server does nothing else meanwhile."""


class RedisTimetable:
    """See ``broker.base.Timetable``."""

    def __init__(self, channels: PerLoop[Channel], layout: Layout) -> None:
        self._channels = channels
        self._layout = layout

    async def put(self, book: str, entries: Sequence[Kept]) -> int:
        """As the port says; a bounded batch at a time."""
        version = 0
        for start in range(0, len(entries), BATCH):
            flat = [part for kept in entries[start : start + BATCH] for part in (kept.name, kept.data)]
            version = int(await self._run("put_entries", book, *flat))
        return version

    async def drop(self, book: str, names: Sequence[str]) -> int:
        """As the port says; a bounded batch at a time."""
        total = 0
        for start in range(0, len(names), BATCH):
            total += int(await self._run("drop_entries", book, *names[start : start + BATCH]))
        return total

    async def changes(self, book: str, since: int) -> Changes:
        """As the port says. What there is at once is read in one go, and what changes in small ones."""
        version, whole, dropped, flat = await self._run("changed_entries", book, since)
        kept = [Kept(name.decode(), data) for name, data in zip(flat[::2], flat[1::2], strict=True)]
        return Changes(int(version), kept, [name.decode() for name in dropped], bool(whole))

    async def marks(self, book: str, names: Sequence[str] | None = None) -> dict[str, Mark]:
        """As the port says."""
        key = f"{self._layout.own}book:{book}:marks"
        if names is None:
            flat = await self._plain("HGETALL", key)
            pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        elif names:
            pairs = zip((name.encode() for name in names), await self._plain("HMGET", key, *names), strict=True)
        else:
            return {}
        return {name.decode(): _mark(text) for name, text in pairs if text is not None}

    async def lead(self, book: str, beat: str, *, lease: float) -> Lead:
        """As the port says. Leases are counted by the server's clock."""
        epoch, left = await self._run("lead", book, beat, repr(float(lease)))
        return Lead(int(epoch) or None, float(left))

    async def resign(self, book: str, beat: str) -> None:
        """As the port says."""
        await self._run("lead", book, beat, "")

    async def tick(
        self, book: str, beat: str, epoch: int, ticks: Sequence[Tick], *, deadline: float
    ) -> list[TickReceipt]:
        """As the port says; a bounded batch at a time."""
        receipts: list[TickReceipt] = []
        for start in range(0, len(ticks), BATCH):
            receipts += await self._tick(book, beat, epoch, ticks[start : start + BATCH], deadline)
        return receipts

    async def _tick(
        self, book: str, beat: str, epoch: int, ticks: Sequence[Tick], deadline: float
    ) -> list[TickReceipt]:
        receipts: list[TickReceipt] = [SEEN] * len(ticks)
        args: list[Any] = [book, beat, epoch]
        asked: list[int] = []
        for index, tick in enumerate(ticks):
            try:
                args += self._args(tick)
                asked.append(index)
            except (UmbelError, TypeError, ValueError) as exc:
                receipts[index] = Refused(exc)
        channel = await self._channels.get()
        try:
            connection = await channel.opened(deadline)
        except CutOff as exc:
            raise OperationalError(str(exc)) from exc
        new = {queue for tick in ticks for queue in self._queues(tick)} - channel.known
        sent: list[Sent] = [*self._layout.bind(sorted(new))]
        try:
            replies = await channel.on(connection, [*sent, Call("tick", *args)], deadline)
        except CutOff as exc:
            for index in asked:
                receipts[index] = Unknown(exc)
            return receipts
        answers = channel.answer(replies[-1])
        channel.known |= new
        for index, answer in zip(asked, answers, strict=True):
            receipts[index] = self._receipt(answer, channel)
        return receipts

    def _queues(self, tick: Tick) -> Iterable[str]:
        for outgoing in tick.messages:
            if outgoing.exchange is None:
                yield outgoing.queue
            else:
                yield from self._layout.of_exchange(outgoing.message.properties.delivery_info.exchange)

    def _args(self, tick: Tick) -> list[Any]:
        messages = [part for outgoing in tick.messages for part in outgoing_args(outgoing, self._layout)]
        mark = max(tick.due, tick.mark)
        return [tick.name, repr(tick.due), repr(mark), tick.runs, len(tick.messages), *messages]

    def _receipt(self, answer: Any, channel: Channel) -> TickReceipt:
        if answer == 1:
            return ACCEPTED
        if answer == 0:
            return SEEN
        if answer == -1:
            return FENCED
        return Refused(BadOperation(f"{channel.place} refuses this: {answer.decode(errors='replace')}"))

    async def forget(self, book: str, beat: str, epoch: int, names: Sequence[str]) -> None:
        """As the port says; a bounded batch at a time."""
        for start in range(0, len(names), BATCH):
            await self._run("unmark", book, beat, epoch, *names[start : start + BATCH])

    async def close(self) -> None:
        """Nothing is held: the connection belongs to the event loop."""

    async def _run(self, name: str, *args: Any) -> Any:
        return await (await self._channels.get()).run(Call(name, *args))

    async def _plain(self, *command: Any) -> Any:
        channel = await self._channels.get()
        (reply,) = await channel.replies(command)
        if is_error(reply):
            raise explained(reply, channel.place)
        return reply


def _mark(text: bytes) -> Mark:
    last, _, runs = text.partition(b" ")
    return Mark(float(last), int(runs))
