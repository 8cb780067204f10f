"""Joins in a SQLite file (``result.base.Joins``): many steps by a few statements. The tables are in ``joins.sql``."""

import sqlite3
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
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
from umbel.drivers.sqlite import Ask, Database, Insert, insert
from umbel.drivers.sqlite import Part as Tables
from umbel.result.base import join_life
from umbel.result.trouble import reading, storing
from umbel.runtime.clock import Clock
from umbel.wire import parts as wire

TABLES = Tables("chord", 1, (files(__package__) / "joins.sql").read_text("utf-8"))

_LAST = 1 << 62
"""The place of a part without an index: behind all others."""

_KNOW = Insert(
    "INSERT INTO chord (id, expires) VALUES", "(?, ?)", "ON CONFLICT DO UPDATE SET expires = excluded.expires"
)
_KEEP = Insert(
    "INSERT INTO chord_kept (id, body) VALUES",
    "(?, ?)",
    "ON CONFLICT DO UPDATE SET body = excluded.body WHERE body = x''",
)
_ADD = Insert(
    "INSERT INTO chord_part (chord, place, task_id, good, data) VALUES",
    "(?, ?, ?, ?, ?)",
    "ON CONFLICT DO UPDATE SET good = excluded.good, data = excluded.data WHERE good < excluded.good",
)
_BODIES = "SELECT id, body FROM chord_kept WHERE body <> x'' AND id IN (SELECT value FROM json_each(?))"
_KEEPS = "SELECT id FROM chord_kept WHERE body <> x'' AND id IN (SELECT value FROM json_each(?))"
_DONE = "SELECT id FROM chord WHERE state = 'done' AND id IN (SELECT value FROM json_each(?))"
_COMPLETE = (
    "parts >= size + extra AND (state = 'open' OR (state = 'failed' AND bad = 0))"  # never where the size is not known
)
_DUE = f"SELECT id, claim, claimed FROM chord WHERE id IN (SELECT value FROM json_each(?)) AND {_COMPLETE}"
_CLAIM = "UPDATE chord SET claim = ?, claimed = ? WHERE id = ?"
_PARTS = "SELECT data FROM chord_part WHERE chord = ? ORDER BY place, task_id"
_KEPT = "SELECT shape, body FROM chord_kept WHERE id = ?"
_ABANDONED = f"SELECT id FROM chord WHERE {_COMPLETE} AND claimed <= ? LIMIT ?"
_EMPTY = ("DELETE FROM chord_part WHERE chord = ?", "DELETE FROM chord_kept WHERE id = ?")
_OPEN = (
    "DELETE FROM chord_part WHERE chord = :id AND EXISTS (SELECT 1 FROM chord WHERE id = :id AND state <> 'open')",
    "UPDATE chord SET state = 'open', parts = 0, bad = 0, extra = 0, claim = NULL, claimed = 0 "
    "WHERE id = :id AND state <> 'open'",
    "UPDATE chord SET size = :size WHERE id = :id",
    "INSERT INTO chord_kept (id, shape, body) VALUES (:id, :shape, :body) ON CONFLICT DO UPDATE "
    "SET shape = excluded.shape, body = CASE excluded.body WHEN x'' THEN body ELSE excluded.body END",
)
_REOPEN = (
    "DELETE FROM chord_part WHERE chord = :id AND NOT good",
    "UPDATE chord SET parts = (SELECT count(*) FROM chord_part WHERE chord = :id), bad = 0, claim = NULL, claimed = 0, "
    "extra = CASE state WHEN 'done' THEN 0 ELSE extra END, size = coalesce(:size, size), state = 'open' WHERE id = :id",
    "INSERT INTO chord_kept (id, shape) SELECT :id, :shape WHERE :shape IS NOT NULL "
    "ON CONFLICT DO UPDATE SET shape = excluded.shape",
)
_STANDINGS = (
    "SELECT id, size + extra, parts, bad, state FROM chord "
    "WHERE id IN (SELECT value FROM json_each(?)) AND (expires IS NULL OR expires > ?)"
)
_EXTEND = "UPDATE chord SET extra = extra + ? WHERE id = ?"
_CLOSE = "UPDATE chord SET state = ?, claim = NULL, claimed = 0 WHERE id = ?"
_EXPIRED = "SELECT id FROM chord WHERE expires <= ? ORDER BY expires LIMIT ?"
_DELETE = "DELETE FROM chord WHERE id = ?"


class _Timed(msgspec.Struct):
    """A step as it goes to the file. Times are wall seconds."""

    step: Step
    data: bytes
    now: float
    expires: float | None

    @property
    def token(self) -> str:
        """Names the part that completes a join."""
        assert isinstance(self.step, Part)
        return f"{self.step.task_id}:{self.step.index}"


class SqliteJoins:
    """See ``result.base.Joins``."""

    def __init__(self, path: str | Path, clock: Clock, expires: float | None, synchronous: str) -> None:
        self._database = Database(path, TABLES, clock=clock, synchronous=synchronous)
        self._clock = clock
        self._expires, self._patience = expires, join_life(expires)

    def compile(self, step: Step) -> Ask:
        """As the port says."""
        if not self._database.ready:  # the broker that runs this may never have met the tables
            with storing(()):
                self._database.prepare()
        return Ask(take, self._timed(step))

    async def take(self, steps: Sequence[Step]) -> list[Joined | None]:
        """As the port says: one transaction."""
        timed = [self._timed(step) for step in steps]
        with storing(()):
            return await self._database.arun(lambda link: take(link, timed))

    def take_sync(self, steps: Sequence[Step]) -> list[Joined | None]:
        """As the port says: one transaction."""
        timed = [self._timed(step) for step in steps]
        with storing(()):
            return self._database.run(lambda link: take(link, timed))

    async def standings(self, groups: Sequence[str]) -> dict[str, Standing]:
        """As the port says."""
        given = _array(set(groups)), self._clock.now()
        with reading(()):
            rows = await self._database.alook(lambda link: link.execute(_STANDINGS, given).fetchall())
        return {group: Standing(*row) for group, *row in rows}

    async def bodies(self, groups: Sequence[str]) -> dict[str, bytes]:
        """As the port says."""
        given = (_array(set(groups)),)
        with reading(()):
            return dict(await self._database.alook(lambda link: link.execute(_BODIES, given).fetchall()))

    async def abandoned(self, limit: int = 64) -> list[Abandoned]:
        """As the port says."""
        with storing(()):
            return await self._database.arun(lambda link: _abandoned(link, self._clock.now(), limit))

    async def prune(self, limit: int) -> int:
        """Delete expired joins, and say how many."""
        now = self._clock.now()
        return await self._database.arun(lambda link: _prune(link, now, max(0, limit)))

    def close(self) -> None:
        """Close idle connections."""
        self._database.close()

    def _timed(self, step: Step) -> _Timed:
        now = self._clock.now()
        data = wire.encode(step) if isinstance(step, Part) else b""
        left = self._expires if isinstance(step, Closing) and not step.failed else self._patience
        return _Timed(step, data, now, None if left is None else now + left)


def take(link: sqlite3.Connection, steps: Sequence[_Timed]) -> list[Joined | None]:
    """Take steps inside a transaction, and say which completed a join. Parts together, other steps before them."""
    insert(link, _KNOW, list({one.step.group: one.expires for one in steps}.items()))
    parts = []
    for one in steps:
        match one.step:
            case Part():
                parts.append(one)
            case Opening(group, size, shape, body):
                kept = None if shape is None else wire.encode_shape(shape)
                _all(link, _OPEN, {"id": group, "size": size, "shape": kept, "body": body})
            case Reopening(group, again, shape):
                values = {"id": group, "size": again, "shape": None if shape is None else wire.encode_shape(shape)}
                _all(link, _REOPEN, values)
            case Extension(group, by):
                link.execute(_EXTEND, (by, group))
            case Closing(group, failed):
                _close(link, group, failed)
    completed = _add(link, parts) if parts else {}
    return [completed.get(id(one)) for one in steps]


def _all(link: sqlite3.Connection, statements: Sequence[str], values: dict[str, Any]) -> None:
    for statement in statements:
        link.execute(statement, values)


def _add(link: sqlite3.Connection, parts: Sequence[_Timed]) -> dict[int, Joined]:
    groups = _array({one.step.group for one in parts})
    done = {group for (group,) in link.execute(_DONE, (groups,))}
    completed = _lost(link, parts, done)
    rows = [_row(one) for one in parts if one.step.group not in done and id(one) not in completed]
    bodies = {one.step.group: one.step.body for one in parts if isinstance(one.step, Part) and not one.step.kept}
    insert(
        link, _KEEP, [(group, wire.encode_body(body)) for group, body in bodies.items() if body and group not in done]
    )
    insert(link, _ADD, rows)
    for group, claim, claimed in link.execute(_DUE, (groups,)).fetchall():
        for one in reversed(parts):
            if one.step.group == group and (claim == one.token or claimed + CLAIM <= one.now):
                link.execute(_CLAIM, (one.token, one.now, group))
                completed[id(one)] = _joined(link, group)
                break
    return completed


def _lost(link: sqlite3.Connection, parts: Sequence[_Timed], done: set[str]) -> dict[int, Joined]:
    """Those whose body should be kept here and is not."""
    asked = [one for one in parts if isinstance(one.step, Part) and one.step.kept and one.step.group not in done]
    if not asked:
        return {}
    known = {group for (group,) in link.execute(_KEEPS, (_array({one.step.group for one in asked}),))}
    return {id(one): Joined(one.step.group, ()) for one in asked if one.step.group not in known}


def _row(one: _Timed) -> tuple[Any, ...]:
    part = one.step
    assert isinstance(part, Part)
    place = _LAST if part.index is None else part.index
    return part.group, place, part.task_id, part.state == SUCCESS, one.data


def _joined(link: sqlite3.Connection, group: str) -> Joined:
    parts = tuple(data for (data,) in link.execute(_PARTS, (group,)))
    shape, body = link.execute(_KEPT, (group,)).fetchone() or (None, b"")
    return Joined(group, parts, shape, body)


def _close(link: sqlite3.Connection, group: str, failed: int) -> None:
    link.execute(_CLOSE, ("failed" if failed else "done", group))
    if not failed:
        _empty(link, group)


def _empty(link: sqlite3.Connection, group: str) -> None:
    for statement in _EMPTY:
        link.execute(statement, (group,))


def _abandoned(link: sqlite3.Connection, now: float, limit: int) -> list[Abandoned]:
    found = []
    for (group,) in link.execute(_ABANDONED, (now - CLAIM, limit)).fetchall():
        link.execute(_CLAIM, (None, now, group))
        joined = _joined(link, group)
        found.append(Abandoned(wire.decode_body(joined.body), joined))
    return found


def _prune(link: sqlite3.Connection, now: float, limit: int) -> int:
    groups = [group for (group,) in link.execute(_EXPIRED, (now, limit))]
    for group in groups:
        _empty(link, group)
        link.execute(_DELETE, (group,))
    return len(groups)


def _array(values: set[str]) -> str:
    return msgspec.json.encode(list(values)).decode()
