"""A workflow as one thing to look at: its tasks, how far each is, what waits for what. Pure; made of what is stored.

The form comes from the signature that the caller kept, and what is not in it from the records: each names what its
task called. Of a workflow without a kept signature, only what was called already is known.
"""

import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from umbel.core import states
from umbel.core.joining import Standing
from umbel.core.record import Record
from umbel.core.signature import Signature, body, expanded, header, kind, members
from umbel.core.workflow import Play, Workflow, in_words

Phase = Literal["not called", "sent", "running", "succeeded", "failed", "never ran", "revoked"]
"""``sent``: its message waits, or it runs where starts are not tracked (``task_track_started``). ``never ran``: it has
failed because something before it did.
"""
UNNAMED = "?"
_ENDS: Mapping[str, Phase] = {states.SUCCESS: "succeeded", states.FAILURE: "failed", states.REVOKED: "revoked"}
_WAITING = frozenset({states.PENDING, states.RETRY, states.RECEIVED, states.REJECTED})
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxdict = 2, 3, 3, 2
_SHORT.maxstring = _SHORT.maxother = 24
_MOST_WORDS = 4
_CALLED_SINCE = frozenset({states.SUCCESS, states.STARTED, states.RETRY})


class Node(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A task, or a chain, group or chord of nodes.

    ``call`` are its own arguments, shortened. ``state`` is the record's, None of a canvas; ``done`` when it was written
    (ISO 8601). ``error`` is one line. ``join`` is how full the join of a chord is, where the store knows it. ``how``
    says why it was called if that is not its place in the workflow: ``callback``, or ``child`` of the task it stands
    under. ``then`` are such calls.
    """

    kind: Literal["task", "chain", "group", "chord"]
    id: str | None
    name: str
    phase: Phase
    call: str = ""
    state: str | None = None
    done: str | None = None
    worker: str | None = None
    retries: int | None = None
    error: str | None = None
    how: str = ""
    join: Standing | None = None
    members: list["Node"] = []
    body: "Node | None" = None
    then: list["Node"] = []

    def walk(self) -> Iterator["Node"]:
        """This node and all in it, those before that come first."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed([*node.members, *([node.body] if node.body is not None else ()), *node.then])


class Tree(msgspec.Struct, kw_only=True):
    """A whole workflow. ``at``: when it was called (wall seconds), if that is known. ``notes``: what is not known."""

    id: str
    name: str
    at: float | None
    phase: Phase
    root: Node
    notes: list[str] = []

    def tasks(self) -> Iterator[Node]:
        """The tasks in it."""
        return (node for node in self.root.walk() if node.kind == "task")

    def counts(self) -> dict[Phase, int]:
        """How many tasks are how far."""
        found: dict[Phase, int] = {}
        for node in self.tasks():
            found[node.phase] = found.get(node.phase, 0) + 1
        return found


def children_of(record: Record | None) -> Iterator[Any]:
    """The result tuples of what a task called."""
    for child in (record.children if record is not None else None) or ():
        if isinstance(child, list | tuple) and len(child) == 2 and isinstance(child[0], list | tuple | str):
            yield child


def ids_of(result: Any) -> Iterator[str]:
    """The ids of tasks in a result tuple, those of what ran before among them."""
    head, found = result
    id, parent = head if isinstance(head, list | tuple) else (head, None)
    if parent:
        yield from ids_of(parent)
    if found is None:
        yield str(id)
    else:
        for one in found:
            yield from ids_of(one)


def together(phases: Iterable[Phase]) -> Phase:
    """How far something is that is made of things that are so far."""
    found = set(phases)
    for phase in ("failed", "revoked", "never ran"):
        if phase in found:
            return phase
    if found <= {"succeeded"}:
        return "succeeded"
    if len(found) == 1:
        return found.pop()
    return "sent" if found <= {"sent", "not called"} else "running"


def tree_of(workflow: Workflow, play: Play, records: Mapping[str, Record], joins: Mapping[str, Standing]) -> Tree:
    """The tree of a workflow whose signature was kept."""
    builder = _Builder(records, joins, play)
    root = builder.of_signature(workflow.signature)
    builder.add_others()
    notes = [] if workflow.whole else ["its arguments are not kept: they cannot be, or are too large"]
    if workflow.parent_id is not None:
        notes.append(f"it was called by the task {workflow.parent_id}")
    notes += _unnamed(root)
    name = in_words(workflow.signature)
    return Tree(id=workflow.id, name=name, at=workflow.at, phase=_whole(root), root=root, notes=notes)


def tree_of_result(result: Any, records: Mapping[str, Record]) -> Tree:
    """The tree of a result whose workflow was not kept: what was called, as far as the records tell."""
    builder = _Builder(records, {}, Play())
    root = builder.of_result(result, "")
    builder.add_others()
    note = "what was not called yet is not known: its caller kept no structure (Celery does not, nor a plain call)"
    name = root.name if root.kind == "task" and root.name != UNNAMED else root.kind
    return Tree(id=_id(result), name=name, at=None, phase=_whole(root), root=root, notes=[note, *_unnamed(root)])


def _unnamed(root: Node) -> list[str]:
    """What is said where records do not name their tasks."""
    if all(node.name != UNNAMED for node in root.walk()):
        return []
    return ["the names of tasks that tasks called are stored with result_extended alone"]


def _whole(root: Node) -> Phase:
    """A workflow with all that follows from it."""
    return together(node.phase for node in root.walk() if node.kind == "task")


def _id(result: Any) -> str:
    head = result[0]
    return str(head[0] if isinstance(head, list | tuple) else head)


class _Builder:
    def __init__(self, records: Mapping[str, Record], joins: Mapping[str, Standing], play: Play) -> None:
        self._records = records
        self._joins = joins
        self._play = play
        self._nodes: dict[str, tuple[Node, list[Node] | None]] = {}
        self._returned = _returned(play, records)
        self._fresh: list[Node] = []

    def of_signature(self, signature: Signature) -> Node:
        """A frozen signature."""
        signature = expanded(signature)
        options = signature.get("options") or {}
        id = options.get("task_id")
        match kind(signature):
            case "chain" | "group" as row:
                found = [self.of_signature(one) for one in members(signature)]
                if row == "chain" and len(found) == 1:
                    return found[0]
                return Node(kind=row, id=id if row == "group" else None, name=row, phase=_of(found), members=found)
            case "chord":
                above = [self.of_signature(one) for one in members(header(signature))]
                below = self.of_signature(body(signature))
                join = self._joins.get(str(id))
                phase = _of([*above, below])
                return Node(kind="chord", id=id, name="chord", phase=phase, members=above, body=below, join=join)
        node = self._task(str(id), str(signature["task"]))
        node.call = _arguments(signature)
        return node

    def of_result(self, result: Any, how: str) -> Node:
        """A result tuple. What ran before it stands before it in a chain."""
        head, found = result
        id, parent = head if isinstance(head, list | tuple) else (head, None)
        if found is None:
            node = self._task(str(id), None, how)
        else:
            inside = [self.of_result(one, "") for one in found]
            node = Node(kind="group", id=id, name="group", phase=_of(inside), members=inside, how=how)
        if not parent:
            return node
        before = self.of_result(parent, "")
        steps = [*(before.members if before.kind == "chain" else [before]), node]
        node.how = ""
        return Node(kind="chain", id=None, name="chain", phase=_of(steps), members=steps, how=how)

    def add_others(self) -> None:
        """Callbacks, and what tasks called of their own accord: under the task that called it."""
        for id, step in self._play.steps.items():
            if id not in self._nodes and step.after and step.after[-1] in self._nodes:
                under, beside = self._nodes[step.after[-1]]
                place = under.then if beside is None or step.how == "callback" else beside
                node = self._task(id, step.calling.task, step.how)
                node.call = _arguments({"args": step.calling.args[1:], "kwargs": step.calling.kwargs})
                place.append(node)
                self._nodes[id] = node, place
        while self._fresh:
            waiting, self._fresh = self._fresh, []
            for node in waiting:
                for child in children_of(self._records.get(node.id or "")):
                    if not any(id in self._nodes for id in ids_of(child)):
                        node.then.append(self.of_result(child, "child"))

    def _task(self, id: str, name: str | None, how: str = "") -> Node:
        record = self._records.get(id)
        node = Node(kind="task", id=id, name=name or UNNAMED, phase=self._phase(id, record), how=how)
        if record is not None:
            node.state, node.done = record.status, record.date_done
            node.worker, node.retries = _given(record.worker), _given(record.retries)
            node.name = name or _given(record.name) or UNNAMED
            if record.status in states.EXCEPTION_STATES:
                node.error = _line(record.result)
        else:
            node.state = states.PENDING
        self._nodes.setdefault(id, (node, None))
        self._fresh.append(node)
        return node

    def _phase(self, id: str, record: Record | None) -> Phase:
        status = states.PENDING if record is None else record.status
        if status == states.SUCCESS or id in self._returned:
            return "succeeded"
        step = self._play.steps.get(id)
        called = step is None or all(before in self._returned for before in step.after)
        if (end := _ENDS.get(status)) is not None:
            return end if called else "never ran"
        if status not in _WAITING:
            return "running"
        return "sent" if called else "not called"


def _returned(play: Play, records: Mapping[str, Record]) -> set[str]:
    """The tasks that have returned: so their records say, or those of what is called only then."""
    found = {id for id, record in records.items() if record.status == states.SUCCESS}
    for id, step in reversed(play.steps.items()):
        record = records.get(id)
        if id in found or (record is not None and record.status in _CALLED_SINCE):
            found.update(step.after)
    return found


def _arguments(signature: Signature) -> str:
    words = [_SHORT.repr(value) for value in signature.get("args") or ()]
    words += [f"{name}={_SHORT.repr(value)}" for name, value in (signature.get("kwargs") or {}).items()]
    told = ", ".join(words[:_MOST_WORDS]) + (", …" if len(words) > _MOST_WORDS else "")
    return f"({told})" if words else ""


def _of(nodes: Sequence[Node]) -> Phase:
    return together(node.phase for node in nodes)


def _given(value: Any) -> Any:
    return None if value is msgspec.UNSET else value


def _line(described: Any) -> str | None:
    """An exception of a record in one line."""
    if not isinstance(described, Mapping) or "exc_type" not in described:
        return None if described is None else str(described)
    said = described.get("exc_message")
    words = said if isinstance(said, str) else ", ".join(map(str, said or ()))
    return " ".join(f"{described['exc_type']}: {words}".split()) if words else str(described["exc_type"])
