"""A workflow as it is kept beside its results, and what becomes of it, step by step. Pure; it plays, and calls nothing.

The caller keeps the signature in which every task has its id already. With the values of the tasks that have returned,
the rest follows by the same rules as in a worker (``core.following``, ``core.unfolding``): which calls there are, which
of them have been made, and which arguments the next ones get.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count, groupby
from typing import Any

import msgspec

from umbel.core.following import ids_after, next_calls
from umbel.core.joining import Opening
from umbel.core.message import Embed
from umbel.core.options import timing
from umbel.core.signature import Signature, body, expanded, header, kind, members
from umbel.core.unfolding import Calling, Result, Unfolded, unfold


class Workflow(msgspec.Struct):
    """One call of a canvas. ``signature`` is frozen, ``result`` its result tuple, ``at`` wall seconds.

    ``parent_id`` and ``root_id`` are those of the task that called it. Not ``whole``: its arguments are not kept,
    because they cannot be, or are too large. ``made`` are the ids that were made only when it was called, in order.
    """

    at: float
    signature: dict[str, Any]
    args: list[Any]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    result: Result
    parent_id: str | None = None
    root_id: str | None = None
    whole: bool = True
    made: list[str] = []

    @property
    def id(self) -> str:
        """The id of its result."""
        return str(self.result[0][0])


class Brief(msgspec.Struct):
    """What a list shows of a workflow: its result's id, when it was called, what it is in a few words, how many tasks.

    ``ends`` are the tasks that its result is made of, or the first of them.
    """

    id: str
    at: float
    name: str
    size: int
    ends: list[str]
    is_complete: bool = True


class Unknown:
    """The value of a task that has not returned."""

    def __repr__(self) -> str:
        return "…"


UNKNOWN = Unknown()


class Step(msgspec.Struct):
    """One call. ``after``: the tasks that must have returned before it is made; ``how`` it follows them.

    ``root_id`` is that of one of those before it. ``parts``: which join waits for it, and at which place.
    """

    calling: Calling
    after: tuple[str, ...]
    how: str
    root_id: str
    parts: tuple[str, int | None] | None = None

    @property
    def id(self) -> str:
        """The task's id."""
        return str(self.calling.options["task_id"])


class Header(msgspec.Struct):
    """A join, and who is waited for: its parts by place."""

    opening: Opening
    members: list[str] = []
    body: Signature | None = None


class Play(msgspec.Struct):
    """Everything that a workflow comes to, in the order in which it follows."""

    steps: dict[str, Step] = {}
    joins: dict[str, Header] = {}

    def following(self, ids: Sequence[str]) -> set[str]:
        """What is not called unless these return, without themselves."""
        next: dict[str, list[str]] = {}
        for id, step in self.steps.items():
            for before in step.after:
                next.setdefault(before, []).append(id)
        found: set[str] = set()
        waiting = list(ids)
        while waiting:
            for id in next.get(waiting.pop(), ()):
                if id not in found:
                    found.add(id)
                    waiting.append(id)
        return found

    def last_due(self, ids: Iterable[str], now: float) -> float:
        """When the last of these is due, if it was not called later than now (wall seconds)."""
        due = now
        for options in (self.steps[id].calling.options for id in ids):
            if options.get("countdown") or options.get("eta"):
                said = timing(now=now, countdown=options.get("countdown"), eta=options.get("eta"))
                due = max(due, said.due or now)
        return due

    def roots(self, ids: Iterable[str]) -> set[str]:
        """The roots that these may have. A body has that of whichever member ends last."""
        found, seen, waiting = set[str](), set[str](), list(ids)
        while waiting:
            if (id := waiting.pop()) not in seen:
                seen.add(id)
                waiting += self.steps[id].after
                if not self.steps[id].after:
                    found.add(self.steps[id].root_id)
        return found


def play(workflow: Workflow, values: Mapping[str, Any]) -> Play:
    """Play it as far as there is anything to play. ``values``: of the tasks that have returned, by id."""
    return _Player(workflow, values).play()


class _Player:
    def __init__(self, workflow: Workflow, values: Mapping[str, Any]) -> None:
        self._workflow = workflow
        self._values = values
        self._found = Play()
        self._due: deque[Step] = deque()

    def play(self) -> Play:
        """See ``play``."""
        w = self._workflow
        made = chain(w.made, (f"{w.id}/{number}" for number in count()))
        self._add(unfold(w.signature, w.args, w.kwargs, w.options, new_id=lambda: next(made)), (), "")
        while self._due:
            self._follow(self._due.popleft())
        return self._found

    def _add(self, unfolded: Unfolded, after: tuple[str, ...], how: str) -> None:
        for opening in unfolded.openings:
            self._found.joins[opening.group] = Header(opening, [])
        for calling in unfolded.calls:
            options = calling.options
            root_id = str(options.get("root_id") or options["task_id"])
            step = Step(calling, after, how, root_id)
            if step.id not in self._found.steps:
                self._found.steps[step.id] = step
                self._due.append(step)

    def _follow(self, step: Step) -> None:
        embed, id = step.calling.embed or Embed(), step.id
        for call in next_calls(embed, self._values.get(id, UNKNOWN)):
            options: dict[str, Any] = {"parent_id": id, "root_id": step.root_id}
            if call.chain is not None:
                options["chain"] = call.chain
            new_id = ids_after(id, call.place)
            how = "chain" if call.chain is not None else "callback"
            self._add(unfold(call.signature, call.args, options=options, new_id=new_id), (id,), how)
        group = step.calling.options.get("group_id")
        join = self._found.joins.get(group or "")
        if embed.chord and group and join is not None:
            step.parts = group, step.calling.options.get("group_index")
            join.members.append(id)
            join.body = embed.chord
            if len(join.members) == join.opening.size:
                self._join(join, embed.chord, step)

    def _join(self, join: Header, chord: Signature, last: Step) -> None:
        """All who are waited for are found: the body follows them."""
        group = join.opening.group
        join.members.sort(key=lambda id: _place(self._found.steps[id]))
        given = {"parent_id": last.id, "root_id": last.root_id}
        value = joined(join, lambda id: self._values.get(id, UNKNOWN))
        unfolded = unfold(chord, (value,), options=given, new_id=ids_after(group, "body"))
        self._add(unfolded, tuple(join.members), "body")


def joined(join: Header, value_of: Callable[[str], Any]) -> list[Any]:
    """What the body is called with: values in the order of the header, nested as it is."""
    shape = join.opening.shape
    if shape is None:
        return [value_of(id) for id in join.members]
    return _nested(shape[1], value_of)


def _nested(results: Sequence[Any], value_of: Callable[[str], Any]) -> list[Any]:
    return [value_of(id) if members is None else _nested(members, value_of) for (id, _), members in results]


def _place(step: Step) -> tuple[float, str]:
    index = step.calling.options.get("group_index")
    return (float("inf") if index is None else index, step.id)


def ends_of(result: Result) -> list[str]:
    """The tasks that a result is made of."""
    (id, _), members = result
    return [str(id)] if members is None else [end for member in members for end in ends_of(member)]


def tasks_of(signature: Signature) -> Iterator[Signature]:
    """The calls of single tasks that a frozen signature comes to, without callbacks."""
    match kind(signature):
        case "chain" | "group" | "chunks":
            for member in members(expanded(signature)):
                yield from tasks_of(member)
        case "chord":
            yield from tasks_of(header(signature))
            yield from tasks_of(body(signature))
        case _:
            yield signature


def in_words(signature: Signature) -> str:
    """A workflow in a few words: ``add | chord(3 × add, total)``."""
    match kind(signature):
        case "chain":
            return " | ".join(map(in_words, members(signature)))
        case "group" | "chunks":
            return f"group({_counted(members(expanded(signature)))})"
        case "chord":
            return f"chord({_counted(members(header(signature)))}, {in_words(body(signature))})"
    return str(signature["task"]).rpartition(".")[2]


def _counted(found: Sequence[Signature]) -> str:
    """Members in order, the same ones counted, and of many the first."""
    words = [(word, sum(1 for _ in same)) for word, same in groupby(map(in_words, found))]
    told = [word if count == 1 else f"{count} × {word}" for word, count in words[:3]]
    return ", ".join([*told, "…"] if len(words) > 3 else told)
