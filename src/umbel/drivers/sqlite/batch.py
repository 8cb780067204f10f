"""Many rows in one step. Plain SQL text and values; opens nothing and commits nothing.

Every row that ``sqlite3`` binds or fetches lets go of the interpreter lock. Beside a busy thread, getting it back costs
up to the switch interval, for each row: so a batch is one statement with many rows, and a list is one JSON array.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from umbel.drivers.sqlite.trouble import BadOperation


class Insert(NamedTuple):
    """An INSERT of any number of rows: ``head``, then ``row`` as often as there are rows, then ``tail``."""

    head: str
    row: str
    tail: str = ""


class Write(NamedTuple):
    """One row for an ``Insert``: compiled by a result store, run by a broker on the same file in its transaction."""

    into: Insert
    row: tuple[Any, ...]


class Ask(NamedTuple):
    """One of several values for a function that answers each, in the transaction of a broker on the same file."""

    together: Callable[[sqlite3.Connection, Sequence[Any]], list[Any]]
    value: Any


_LARGEST_STEP = 128


def insert(connection: sqlite3.Connection, into: Insert, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows by as few statements as a handful of sizes gives: 128, 64, … 1, each prepared once."""
    start, left = 0, len(rows)
    while left:
        count = min(_LARGEST_STEP, 1 << (left.bit_length() - 1))
        values = tuple(chain.from_iterable(rows[start : start + count]))
        connection.execute(_inserting(into, count), values)
        start, left = start + count, left - count


def write(connection: sqlite3.Connection, writes: Iterable[Write]) -> None:
    """Perform compiled writes, in their order as far as they go into the same place."""
    by_place: dict[Insert, list[tuple[Any, ...]]] = {}
    place: Insert | None = None
    rows: list[tuple[Any, ...]] = []
    for item in writes:
        if type(item) is not Write:
            raise BadOperation(f"not an operation of this database: {item!r:.100}")
        into, row = item
        if into is not place:
            place, rows = into, by_place.setdefault(into, [])
        rows.append(row)
    for into, rows in by_place.items():
        insert(connection, into, rows)


def ask(connection: sqlite3.Connection, asked: Sequence[Ask]) -> list[Any]:
    """The answers, in order. Values for the same function are put to it at once."""
    answers: list[Any] = [None] * len(asked)
    by_function: dict[Callable[..., list[Any]], list[int]] = {}
    for place, one in enumerate(asked):
        by_function.setdefault(one.together, []).append(place)
    for together, places in by_function.items():
        found = together(connection, [asked[place].value for place in places])
        for place, answer in zip(places, found, strict=True):
            answers[place] = answer
    return answers


def _inserting(into: Insert, count: int) -> str:
    found = _texts.get((into, count))
    if found is None:
        found = _texts[into, count] = f"{into.head} {', '.join([into.row] * count)} {into.tail}"
    return found


_texts: dict[tuple[Insert, int], str] = {}
