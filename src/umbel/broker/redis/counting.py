"""Counts queues. The steps are a generator, so that async and blocking callers share them; it sends nothing itself."""

from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from typing import Any

from umbel.broker.redis.channel import Call, Sent
from umbel.broker.redis.layout import Layout
from umbel.core.delivery import Depth
from umbel.drivers.redis import Place, explained, is_error

Steps = Generator[list[Sent], list[Any], list[Depth]]
_PAGE = 1000


class Survey:
    """Counts what one server holds."""

    def __init__(self, place: Place, layout: Layout, dead_expires: float) -> None:
        self._place = place
        self._layout = layout
        self._dead_expires = dead_expires

    def run(self, send: Callable[[list[Sent]], list[Any]], queues: Iterable[str] | None) -> list[Depth]:
        """Count these queues, or all that hold a message, a dead letter, or are read by somebody alive."""
        steps = self._steps(queues)
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(self._checked(send(wanted)))
        except StopIteration as end:
            found: list[Depth] = end.value
            return found

    async def arun(
        self, send: Callable[[list[Sent]], Awaitable[list[Any]]], queues: Iterable[str] | None
    ) -> list[Depth]:
        """As ``run``."""
        steps = self._steps(queues)
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(self._checked(await send(wanted)))
        except StopIteration as end:
            found: list[Depth] = end.value
            return found

    def _checked(self, replies: list[Any]) -> list[Any]:
        for reply in replies:
            if is_error(reply):
                raise explained(reply, self._place)
        return replies

    def _steps(self, queues: Iterable[str] | None) -> Steps:
        (counts,) = yield [Call("survey", self._dead_expires)]
        delayed, claimed, dead = map(self._by_queue, counts[:3])
        readers: dict[str, int] = {}
        for names in counts[3]:
            for name in filter(None, names.decode().split("\0")):
                readers[name] = readers.get(name, 0) + 1
        every = queues is None
        if queues is None:
            known: set[str] = set()
            yield from self._bound(known)
            queues = sorted(known.union(delayed, claimed, dead, readers))
        names = list(queues)
        ready = yield from self._ready(names)
        depths = [
            Depth(
                name, ready[name], delayed.get(name, 0), claimed.get(name, 0), dead.get(name, 0), readers.get(name, 0)
            )
            for name in names
        ]
        return [depth for depth in depths if depth != Depth(depth.queue)] if every else depths

    def _ready(self, names: Sequence[str]) -> Generator[list[Sent], list[Any], dict[str, int]]:
        counts = dict.fromkeys(names, 0)
        wanted = [(name, key) for name in counts for key in self._layout.lists([name])]
        if wanted:
            lengths = yield [("LLEN", key) for _, key in wanted]
            for (name, _), length in zip(wanted, lengths, strict=True):
                counts[name] += length
        return counts

    def _bound(self, known: set[str]) -> Generator[list[Sent], list[Any], None]:
        """The queues in kombu's tables of bindings."""
        start = self._layout.bindings("")
        pattern = "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in start) + "*"
        cursor: Any = b"0"
        while True:
            ((cursor, keys),) = yield [("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)]
            if keys:
                for members in (yield [("SMEMBERS", key) for key in keys]):
                    known.update(member.decode(errors="replace").rpartition(self._layout.sep)[2] for member in members)
            if cursor == b"0":
                return

    def _by_queue(self, flat: Sequence[Any]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for key, count in zip(flat[::2], flat[1::2], strict=True):
            name = self._layout.queue_of(key.decode())
            counts[name] = counts.get(name, 0) + int(count)
        return counts
