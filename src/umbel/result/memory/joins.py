"""Joins inside one process (``result.base.Joins``). Every step returns how to undo it, for the broker's own step."""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from umbel.core.joining import (
    CLAIM,
    Abandoned,
    Closing,
    Extension,
    Joined,
    Opening,
    Part,
    Reopening,
    Standing,
    Step,
)
from umbel.core.states import SUCCESS
from umbel.drivers.memory import Ask, Space
from umbel.result.base import join_life
from umbel.runtime.clock import Clock
from umbel.wire import parts as wire

_Place = tuple[float, str]
"""Where a part stands: its index (those without one last), and its task."""
_Parts = dict[_Place, tuple[bool, bytes]]


class _Join(msgspec.Struct):
    """One join. ``claim`` is the place of the part that completed it, at ``claimed`` (wall seconds)."""

    size: int | None = None
    extra: int = 0
    shape: bytes | None = None
    body: bytes = b""
    state: str = "open"
    parts: _Parts = {}
    claim: _Place | None = None
    claimed: float = 0.0
    expires: float = float("inf")

    def is_complete(self) -> bool:
        """Whether the body is due."""
        if self.size is None or self.state == "done" or len(self.parts) < self.size + self.extra:
            return False
        return self.state == "open" or all(good for good, _ in self.parts.values())


class MemoryJoins:
    """See ``result.base.Joins``."""

    def __init__(self, space: Space, clock: Clock, expires: float | None) -> None:
        self._space = space
        self._clock = clock
        self._expires, self._patience = expires, join_life(expires)
        self._joins: dict[str, _Join] = space.part("joins", dict)

    def compile(self, step: Step) -> Ask:
        """As the port says."""
        data = wire.encode(step) if isinstance(step, Part) else b""
        return Ask(partial(self._perform, step, data))

    async def take(self, steps: Sequence[Step]) -> list[Joined | None]:
        """As the port says."""
        return self.take_sync(steps)

    def take_sync(self, steps: Sequence[Step]) -> list[Joined | None]:
        """As the port says."""
        asked = [self.compile(step) for step in steps]
        with self._space.lock:
            return [ask.perform()[1] for ask in asked]

    async def standings(self, groups: Sequence[str]) -> dict[str, Standing]:
        """As the port says."""
        now = self._clock.now()
        with self._space.lock:
            found = {group: join for group in groups if (join := self._joins.get(group)) and join.expires > now}
            return {group: _standing(join) for group, join in found.items()}

    async def bodies(self, groups: Sequence[str]) -> dict[str, bytes]:
        """As the port says."""
        now = self._clock.now()
        with self._space.lock:
            found = {group: join for group in groups if (join := self._joins.get(group)) and join.expires > now}
            return {group: join.body for group, join in found.items() if join.body}

    async def abandoned(self, limit: int = 64) -> list[Abandoned]:
        """As the port says."""
        now = self._clock.now()
        found: list[Abandoned] = []
        with self._space.lock:
            for group, join in list(self._joins.items()):
                if len(found) < limit and join.is_complete() and join.claimed + CLAIM <= now:
                    join.claim, join.claimed = None, now
                    found.append(Abandoned(wire.decode_body(join.body), _joined(group, join)))
        return found

    def prune(self, now: float, limit: int) -> int:
        """Delete expired joins, and say how many."""
        with self._space.lock:
            past = [group for group, join in self._joins.items() if join.expires <= now][: max(0, limit)]
            for group in past:
                del self._joins[group]
        return len(past)

    # One step, under the lock -----------------------------------------------------------------------------------------

    def _perform(self, step: Step, data: bytes) -> tuple[Callable[[], None], Joined | None]:
        now, group = self._clock.now(), step.group
        join = self._joins.get(group)
        before = None if join is None else msgspec.structs.replace(join)
        if join is None or join.expires <= now or (isinstance(step, Opening) and join.state != "open"):
            join = self._joins[group] = _Join()
        undo: list[Callable[[], None]] = [partial(self._put_back, group, before)]
        joined = None
        match step:
            case Opening(_, size, shape, body):
                join.size, join.shape = size, None if shape is None else wire.encode_shape(shape)
                join.body = body or join.body
            case Extension(_, by):
                join.extra += by
            case Part():
                joined = _add(join, step, data, now, undo)
            case Closing(_, failed):
                _close(join, failed)
            case Reopening():
                _reopen(join, step)
        left = self._expires if join.state == "done" else self._patience
        join.expires = float("inf") if left is None else now + left
        return partial(_undo, undo), joined

    def _put_back(self, group: str, before: _Join | None) -> None:
        if before is None:
            del self._joins[group]
        else:
            self._joins[group] = before


def _add(join: _Join, part: Part, data: bytes, now: float, undo: list[Callable[[], None]]) -> Joined | None:
    if join.state == "done":
        return None
    if part.kept and not join.body:
        return Joined(part.group, ())
    place = (float("inf") if part.index is None else part.index, part.task_id)
    known = join.parts.get(place)
    good = part.state == SUCCESS
    if known is None or (good and not known[0]):
        join.parts[place] = good, data
        undo.append(partial(_put_part_back, join.parts, place, known))
    if not join.body and part.body:
        join.body = wire.encode_body(part.body)
    if not join.is_complete() or (join.claim != place and join.claimed + CLAIM > now):
        return None
    join.claim, join.claimed = place, now
    return _joined(part.group, join)


def _put_part_back(parts: _Parts, place: _Place, known: tuple[bool, bytes] | None) -> None:
    if known is None:
        del parts[place]
    else:
        parts[place] = known


def _undo(steps: Sequence[Callable[[], None]]) -> None:
    for step in reversed(steps):
        step()


def _close(join: _Join, failed: int) -> None:
    join.claim, join.claimed = None, 0.0
    if failed:
        join.state = "failed"
    else:
        join.state, join.parts, join.body, join.shape = "done", {}, b"", None


def _reopen(join: _Join, step: Reopening) -> None:
    if join.state == "done":
        join.extra = 0
    join.state, join.claim, join.claimed = "open", None, 0.0
    join.parts = {place: part for place, part in join.parts.items() if part[0]}
    join.size = join.size if step.size is None else step.size
    join.shape = join.shape if step.shape is None else wire.encode_shape(step.shape)


def _standing(join: _Join) -> Standing:
    size = None if join.size is None else join.size + join.extra
    failed = sum(not good for good, _ in join.parts.values())
    return Standing(size, len(join.parts), failed, join.state)


def _joined(group: str, join: _Join) -> Joined:
    return Joined(group, tuple(data for _, (_, data) in sorted(join.parts.items())), join.shape, join.body)
