"""Joins in Redis on Celery's keys (``result.base.Joins``), so that workers of both can share one chord.

What the keys are, and what each step does: ``umbel/drivers/redis/joining.lua``.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from typing import Any

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
from umbel.drivers.redis import JOINING, Command, Place, explained, is_error
from umbel.result.redis.groups import KEY
from umbel.result.trouble import reading, storing
from umbel.runtime.clock import Clock
from umbel.wire import parts as wire

_TAKE = f"{JOINING}local join, check = joining()\ncheck(KEYS[1])\nreturn join(KEYS[1], ARGV[1])\n"
_ABANDONED = resources.files(__package__).joinpath("abandoned.lua").read_text()
_STANDING = resources.files(__package__).joinpath("standing.lua").read_text()
_SHA = {text: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for text in (_TAKE, _ABANDONED, _STANDING)}
_TEXT = {sha: text for text, sha in _SHA.items()}
_KEPT = "-"
"""Where a part has no body to bring, because the join has it."""
CLAIM_FOR = int(CLAIM)
DONE_FOR = 300
"""Seconds for which late parts of a join that is done are refused; Celery 5.7's own."""

# Only text: the server's msgpack knows no bytes.
_pack = msgspec.msgpack.Encoder().encode

Op = tuple[str, int, str, str, bytes]
"""``("join", database, key, "join", step)``: a step for the broker's own atomic step."""
Calls = Callable[[Sequence[Command]], Awaitable[list[Any]]]


class RedisJoins:
    """See ``result.base.Joins``. ``ttl`` is of what is done, ``patience`` of what is not; in seconds, 0 is for ever.

    ``ordered`` is Celery's ``result_chord_ordered``: parts by index, not by arrival.
    """

    def __init__(self, place: Place, prefix: str, ttl: int, patience: int, clock: Clock, *, ordered: bool) -> None:
        self._place = place
        self._keys = prefix + KEY
        self._owns = f"{prefix}umbel:join:"
        self._all = f"{prefix}umbel:joins"
        self._ttl = ttl
        self._patience = patience
        self._clock = clock
        self._ordered = "1" if ordered else ""
        self._last_common = (0, "")
        self._prefix = len(prefix.encode())
        self.call: Calls
        self.call_sync: Callable[[Sequence[Command]], list[Any]]

    def compile(self, step: Step) -> Op:
        """As the port says."""
        values = self._part(step) if type(step) is Part else self._values(step)
        return "join", self._place.db, self._keys + step.group, "join", _pack(values)

    async def take(self, steps: Sequence[Step]) -> list[Joined | None]:
        """As the port says. Steps before one that the server refuses are done."""
        if not steps:
            return []
        sent = self._commands(steps)
        with storing(()):
            return self._joined(await self._sure(sent))

    def take_sync(self, steps: Sequence[Step]) -> list[Joined | None]:
        """As the port says. Steps before one that the server refuses are done."""
        if not steps:
            return []
        sent = self._commands(steps)
        with storing(()):
            replies = self.call_sync(sent)
            for place, command in _without_script(sent, replies):
                (replies[place],) = self.call_sync([command])
            return self._joined(replies)

    async def standings(self, groups: Sequence[str]) -> dict[str, Standing]:
        """As the port says."""
        sent = [
            ("EVALSHA", _SHA[_STANDING], 1, self._keys + group, self._owns + group, self._ordered) for group in groups
        ]
        with reading(()):
            replies = await self._sure(sent) if sent else []
            self._refuse_errors(replies)
        return {
            group: Standing(None if reply[0] < 0 else reply[0], reply[1], reply[2], reply[3].decode())
            for group, reply in zip(groups, replies, strict=True)
            if reply
        }

    async def bodies(self, groups: Sequence[str]) -> dict[str, bytes]:
        """As the port says."""
        with reading(()):
            replies = await self._sure([("HGET", self._owns + group, "body") for group in groups]) if groups else []
            self._refuse_errors(replies)
        return {group: body for group, body in zip(groups, replies, strict=True) if body}

    async def abandoned(self, limit: int = 64) -> list[Abandoned]:
        """As the port says."""
        now = self._clock.now()
        given = (self._keys, self._owns, repr(now), repr(now - CLAIM), int(CLAIM), limit, self._ordered)
        with storing(()):
            (found,) = await self._sure([("EVALSHA", _SHA[_ABANDONED], 1, self._all, *given)])
            self._refuse_errors([found])
        return [
            Abandoned(wire.decode_body(body), Joined(group.decode(), tuple(parts), shape or None, body))
            for group, body, parts, shape in found
        ]

    def _values(self, step: Step) -> tuple[Any, ...]:
        common = (self._owns + step.group, self._all, self._patience)
        match step:
            case Opening(_, size, shape, body):
                return "open", *common, size, "" if shape is None else wire.encode_shape(shape).decode(), body.decode()
            case Reopening(_, size, shape):
                return (
                    "reopen",
                    *common,
                    self._ordered,
                    "" if size is None else size,
                    "" if shape is None else wire.encode_shape(shape).decode(),
                )
            case Extension(_, by):
                return "extend", *common, by
            case Closing(group, failed):
                return "close", *common, str(failed) if failed else "", group, DONE_FOR, self._ttl
        raise TypeError(f"not a step of a join: {step!r}")

    def _part(self, part: Part) -> tuple[Any, ...]:
        index, body = part.index, ""
        if part.kept:
            body = _KEPT
        elif index is None or _keeps_body(index):
            body = wire.encode_body(part.body).decode()
        return (
            "part",
            self._common(),
            part.task_id,
            "+inf" if index is None else str(index),
            wire.encode(part).decode(),
            "1" if part.state == SUCCESS else "",
            body,
        )

    def _common(self) -> str:
        """What all parts say in the same second."""
        second = int(self._clock.now())
        last = self._last_common
        if last[0] != second:
            told = (self._prefix, self._patience, self._ordered, second, CLAIM_FOR)
            last = self._last_common = (second, "\0".join(map(str, told)))
        return last[1]

    def _commands(self, steps: Sequence[Step]) -> list[Command]:
        return [("EVALSHA", _SHA[_TAKE], 1, op[2], op[4]) for op in map(self.compile, steps)]

    async def _sure(self, sent: Sequence[Command]) -> list[Any]:
        """The replies, also of a server that does not know the scripts yet."""
        replies = await self.call(sent)
        for place, command in _without_script(sent, replies):
            (replies[place],) = await self.call([command])
        return replies

    def _joined(self, replies: Sequence[Any]) -> list[Joined | None]:
        self._refuse_errors(replies)
        return [wire.joined(reply) if isinstance(reply, list) else None for reply in replies]

    def _refuse_errors(self, replies: Sequence[Any]) -> None:
        for reply in replies:
            if is_error(reply):
                raise explained(reply, self._place)


def _keeps_body(index: int) -> bool:
    """Whether the part at this place brings the body: the first ones, and some of many, should those run elsewhere."""
    return index < 4 or index % 16 == 0


def _without_script(sent: Sequence[Command], replies: Sequence[Any]) -> list[tuple[int, Command]]:
    """What must be sent again with the script itself, and the place of its reply."""
    return [
        (place, ("EVAL", _TEXT[str(command[1])], *command[2:]))
        for place, (command, reply) in enumerate(zip(sent, replies, strict=True))
        if is_error(reply) and str(reply).startswith("NOSCRIPT")
    ]
