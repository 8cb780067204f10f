"""Results in Redis as Celery keeps them: keys, JSON, channels, times to live. SUCCESS is never overwritten.

A result is ``celery-task-meta-<id>``, published on the channel of the same name. The server lets results expire.
"""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

from umbel.core import states
from umbel.core.errors import BackendGetMetaError, BackendStoreError, DecodeError, OperationalError
from umbel.core.record import Record
from umbel.core.states import READY_STATES
from umbel.drivers.options import Options
from umbel.drivers.redis import (
    SUCCESS,
    WHO,
    Command,
    Place,
    Pool,
    explained,
    is_elsewhere,
    is_error,
    is_replica,
    number,
    parse,
)
from umbel.drivers.redis.loops import PerLoop
from umbel.result.base import Life, join_life
from umbel.result.redis.catalogue import RedisCatalogue
from umbel.result.redis.feed import RedisFeed
from umbel.result.redis.groups import RedisGroups
from umbel.result.redis.joins import RedisJoins
from umbel.result.redis.line import Line
from umbel.result.redis.patience import limit, pauses
from umbel.result.redis.shared_line import SharedLine
from umbel.result.shown import Shown
from umbel.result.trouble import reading, storing
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire.records import JSON, Codec

_STORE = SUCCESS + resources.files(__name__).joinpath("store.lua").read_text()
_STORE_SHA = hashlib.sha1(_STORE.encode()).hexdigest()
_KEY = "celery-task-meta-"
OPTIONS = frozenset({"global_keyprefix", "max_connections", "result_chord_ordered", "retry_policy", "socket_timeout"})
OF_CELERY = frozenset(
    {"health_check_interval", "max_retries", "min_other_sentinels", "result_chord_join_timeout", "retry_on_timeout"}
    | {"socket_keepalive", "socket_keepalive_options", "visibility_timeout"}
)
"""Options that Celery's users may have set, and that mean nothing here: Umbel does by design what they are for."""
_AT_ONCE = 1000
"""Keys asked for by one command."""
NOTE_WITHIN = 2.0
"""Seconds that noting a workflow may take its caller."""
_TIMEOUT = 30.0
"""Seconds that the server may take for an answer, unless the option ``socket_timeout`` says otherwise."""

Op = tuple[str, int, str, int, bytes]
"""``("result", database, key, seconds to live or 0 for ever, record)``: a write for the broker's own atomic step."""


class RedisStore:
    """See ``result.base.Store``. Options: ``global_keyprefix``, ``retry_policy``, ``result_chord_ordered``, and the
    driver's.
    """

    def __init__(
        self,
        url: str,
        *,
        expires: float | None,
        failure_expires: float | None = None,
        codec: Codec = JSON,
        clock: Clock = SYSTEM,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.place, chosen = parse(url, options)
        self.url = url
        self.expires = expires
        self.clock = clock
        prefix = _separated(str(chosen.get("global_keyprefix") or ""))
        self.prefix = prefix + _KEY
        self.shown = Shown()
        self.codec = codec
        self._ttl = _whole(expires)
        self._life = Life(expires, failure_expires)
        policy = chosen.get("retry_policy")
        Options(str(self.place), chosen, OPTIONS | OF_CELERY)
        timeout = number("socket_timeout", chosen.get("socket_timeout") or _TIMEOUT)
        most = int(number("max_connections", chosen["max_connections"])) if chosen.get("max_connections") else None
        self._lines = PerLoop(lambda: Line(self.place, clock, timeout, policy), Line.end)
        ordered = bool(chosen.get("result_chord_ordered", True))
        self.joins = RedisJoins(self.place, prefix, self._ttl, _whole(join_life(expires)), clock, ordered=ordered)
        self._sync = RedisSyncStore(self, timeout, policy, most=most)
        self.joins.call, self.joins.call_sync = self._call, self._sync.call
        self.groups = RedisGroups(self.place, prefix, self._ttl, codec, self._sync.call)
        self.catalogue = RedisCatalogue(self.place, prefix, self._ttl, clock, self._note, self._sync.note, self._call)

    @property
    def sync(self) -> "RedisSyncStore":
        """As the port says."""
        return self._sync

    def compile(self, record: Record) -> Op:
        """As the port says. The record lives ``expires`` seconds from now."""
        ttl = self._ttl if record.status == states.SUCCESS else _whole(self._life.seconds(record))
        return ("result", self.place.db, self.prefix + record.task_id, ttl, self.codec.encode(record))

    async def write(self, records: Sequence[Record]) -> None:
        """As the port says."""
        if records:
            await self._put(records)

    async def _note(self, records: Sequence[Record], also: Sequence[Command]) -> None:
        """Store records, and send more commands with them: once, and not for long."""
        try:
            async with asyncio.timeout(NOTE_WITHIN):
                await self._put(records, also)
        except TimeoutError as exc:
            raise BackendStoreError(f"Redis at {self.place} did not answer within {NOTE_WITHIN:g} s") from exc

    async def _put(self, records: Sequence[Record], also: Sequence[Command] = ()) -> None:
        sent = [*self.writes(records), *also]
        with storing(records):
            line = await self._lines.get()
            replies = await line.call(sent, patient=False)
            if unknown := without_script(sent, replies):
                replies += await line.call(unknown, patient=False)
            refuse_errors(replies, self.place)

    async def read(self, ids: Sequence[str], timeout: float | None = None, *, sure: bool = False) -> dict[str, Record]:
        """As the port says."""
        if not ids:
            return {}
        with reading(ids):
            line = await self._lines.get()
            return self.found(ids, await line.call(self.reads(ids), within=timeout, sure=sure))

    async def wait(self, ids: Sequence[str], timeout: float) -> None:
        """As the port says."""
        line = await self._lines.get()
        await line.wait(self.names(ids), self.is_news, timeout)

    def follow(self, ids: Sequence[str]) -> RedisFeed:
        """As the port says."""
        return RedisFeed(
            ids, self.names, self._lines.get, self.ends, lambda replies: refuse_errors(replies, self.place)
        )

    async def forget(self, ids: Sequence[str]) -> None:
        """As the port says."""
        if ids:
            with storing(()):
                line = await self._lines.get()
                refuse_errors(await line.call([("DEL", *self.names(ids))]), self.place)

    async def prune(self, limit: int = 1000) -> int:
        """As the port says: nothing is left to do, the server lets results expire."""
        return 0

    async def close(self) -> None:
        """Close the connection of this event loop."""
        await self._lines.close()

    async def _call(self, sent: Sequence[Command]) -> list[Any]:
        return await (await self._lines.get()).call(sent, patient=False)

    # Between ids and commands -----------------------------------------------------------------------------------------

    def names(self, ids: Sequence[str]) -> list[bytes]:
        """The keys, which are the channels too."""
        return [f"{self.prefix}{task_id}".encode() for task_id in dict.fromkeys(ids)]

    def writes(self, records: Sequence[Record]) -> list[Command]:
        """The commands that store records, in order."""
        return [("EVALSHA", _STORE_SHA, 1, key, ttl, data) for _, _, key, ttl, data in map(self.compile, records)]

    def reads(self, ids: Sequence[str]) -> list[Command]:
        """The commands that read results."""
        names = self.names(ids)
        return [("MGET", *names[at : at + _AT_ONCE]) for at in range(0, len(names), _AT_ONCE)]

    def found(self, ids: Sequence[str], replies: Sequence[Any]) -> dict[str, Record]:
        """The records in the replies to ``reads``. Raises ``OperationalError``."""
        refuse_errors(replies, self.place)
        records = {}
        found = (data for reply in replies for data in reply)
        for task_id, data in zip(dict.fromkeys(ids), found, strict=True):
            if data is None:
                continue
            try:
                record = self.codec.decode(data)
            except DecodeError as exc:
                key = self.prefix + task_id
                raise BackendGetMetaError(f"what Redis at {self.place} holds as {key} is no result: {exc}") from exc
            if not record.task_id:
                record.task_id = task_id
            self.shown.note(task_id, record.status, data)
            records[task_id] = record
        return records

    def ends(self, heard: Mapping[bytes, bytes]) -> dict[str, Record]:
        """The records among these that are ends. What cannot be decoded is left to ``found``."""
        start, ended = len(self.prefix.encode()), {}
        for name, data in heard.items():
            task_id = name[start:].decode()
            try:
                record = self.codec.decode(data)
            except DecodeError:
                continue
            if record.status in READY_STATES:
                record.task_id = record.task_id or task_id
                self.shown.note(task_id, record.status, data)
                ended[task_id] = record
        return ended

    def is_news(self, names: Sequence[bytes], found: Sequence[Any]) -> bool:
        """Whether one of these records was not read yet in this form."""
        start = len(self.prefix.encode())
        return any(
            data is not None and self.shown.is_new((name[start:].decode(), "", data))
            for name, data in zip(names, found, strict=True)
        )


class RedisSyncStore:
    """See ``result.base.SyncStore``."""

    def __init__(
        self, store: RedisStore, timeout: float, policy: Mapping[str, Any] | None, *, most: int | None = None
    ) -> None:
        self._store = store
        self._timeout = timeout
        self._policy = policy
        self._pool = Pool(store.place, store.clock, most=most)
        self._line = SharedLine(store.place, store.clock)
        self._ended = _Ended()

    def write(self, records: Sequence[Record]) -> None:
        """As the port says."""
        if records:
            self._put(self._store.writes(records), records, self.call)

    def note(self, records: Sequence[Record], also: Sequence[Command]) -> None:
        """Store records, and send more commands with them: once, and not for long."""
        within = min(self._timeout, NOTE_WITHIN)
        self._put([*self._store.writes(records), *also], records, lambda sent: self._try(sent, within))

    def _put(
        self, sent: Sequence[Command], records: Sequence[Record], call: Callable[[Sequence[Command]], list[Any]]
    ) -> None:
        with storing(records):
            replies = call(sent)
            if unknown := without_script(sent, replies):
                replies += call(unknown)
            refuse_errors(replies, self._store.place)

    def read(self, ids: Sequence[str], timeout: float | None = None, *, sure: bool = False) -> dict[str, Record]:
        """As the port says."""
        if not ids:
            return {}
        ended, self._ended.records = self._ended.records, {}
        if ended and ended.keys() >= set(ids):
            return {task_id: ended[task_id] for task_id in ids}
        with reading(ids):
            return self._store.found(ids, self.call(self._store.reads(ids), timeout, sure=sure))

    def wait(self, ids: Sequence[str], timeout: float) -> None:
        """As the port says."""
        heard = self._line.wait(self._store.names(ids), self._store.is_news, timeout)
        self._ended.records = self._store.ends(heard)

    def forget(self, ids: Sequence[str]) -> None:
        """As the port says."""
        self._ended.records = {}
        if ids:
            with storing(()):
                refuse_errors(self.call([("DEL", *self._store.names(ids))]), self._store.place)

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()
        self._line.close()

    def call(self, sent: Sequence[Command], within: float | None = None, *, sure: bool = False) -> list[Any]:
        """The replies to commands, after some attempts, ``within`` seconds; if ``sure``, the master's.

        Raises ``OperationalError``.
        """
        clock, began = self._store.clock, self._store.clock.monotonic()
        end = began + (limit(self._policy, self._timeout) if within is None else within)
        for pause in pauses(self._policy):
            try:
                return self._try(sent, min(self._timeout, end - clock.monotonic()), sure=sure)
            except OperationalError:
                if (left := end - clock.monotonic()) <= 0:
                    raise
                clock.pause(min(pause, left))
        return self._try(sent, min(self._timeout, end - clock.monotonic()), sure=sure)

    def _try(self, sent: Sequence[Command], timeout: float, *, sure: bool = False, again: bool = True) -> list[Any]:
        clock = self._store.clock
        end = clock.monotonic() + timeout
        with self._pool.connection(max(0.001, timeout)) as connection:
            asks = connection.standing.due(clock.monotonic()) or sure
            replies = connection.call([*sent, WHO] if asks else sent, max(0.001, end - clock.monotonic()))
            moved = asks and is_replica(replies.pop())
            gone = bool(replies) and is_error(replies[0]) and is_elsewhere(replies[0])
            if moved or gone:
                connection.close()
                self._pool.close()  # the others lead there too
        if moved and (again or not sure):  # to the master, if it can be found; a replica will do for who is not sure
            return self._try(sent, end - clock.monotonic(), sure=sure, again=False)
        if moved:
            raise explained("READONLY", self._store.place)
        if gone:
            raise explained(replies[0], self._store.place)
        return replies


class _Ended(threading.local):
    """The ends that this thread's last wait heard of: they are final, so its next read need not ask for them."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}


def without_script(sent: Sequence[Command], replies: Sequence[Any]) -> list[Command]:
    """What must be sent again with the script itself, because the server did not know it."""
    return [
        ("EVAL", _STORE, *command[2:])
        for command, reply in zip(sent, replies, strict=True)
        if _is_without_script(reply)
    ]


def refuse_errors(replies: Sequence[Any], place: Place) -> None:
    """Raise ``OperationalError`` if one of the replies is an error (other than what ``without_script`` sees to)."""
    for reply in replies:
        if is_error(reply) and not _is_without_script(reply):
            raise explained(reply, place)


def _is_without_script(reply: Any) -> bool:
    return is_error(reply) and str(reply).startswith("NOSCRIPT")


def _whole(seconds: float | None) -> int:
    """What Redis is told: whole seconds, at least one; 0 is for ever."""
    return max(1, int(seconds)) if seconds else 0


def _separated(prefix: str) -> str:
    """Celery puts a ``_`` behind a prefix of results that has no separator of its own at its end."""
    return f"{prefix}_" if prefix and prefix[-1] not in ":_-." else prefix
