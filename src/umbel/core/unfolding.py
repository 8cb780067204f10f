"""What a signature that is called now comes to: calls and joins. Pure; the rules of nesting are Celery's.

Chains become their first step, which carries the rest; groups their members; a chord its header's members, which carry
the body, and the opening of its join. Ids that a signature has are kept, others come from ``new_id``: with one that
counts, unfolding twice gives the same messages.

Where Celery's canvas goes wrong this does what was meant: members of nested groups keep their order, a group in the
middle of a workflow is waited for, and the group that ends a chain in a header adds its parts to the header's join.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from umbel.core.joining import Opening
from umbel.core.message import Embed
from umbel.core.nesting import size_of, steps_of
from umbel.core.record import Record
from umbel.core.resting import Keep, is_kept, split, waiting
from umbel.core.signature import (
    Options,
    Signature,
    body,
    chain_of,
    chord_of,
    embedded,
    error_linked,
    expanded,
    flattened,
    group_of,
    having,
    header,
    kind,
    linked,
    listed,
    make,
    merged,
    prepended,
)

Result = list[Any]
"""A result tuple as Celery writes it: ``[[id, parent], None]``, of a group ``[[id, parent], [member, …]]``."""

_NOT_FOR_MEMBERS = frozenset({"task_id", "group_id", "group_index", "chord"})
_NOT_FOR_HEADERS = frozenset({"link", "link_error", "chain", "chord", "group_id", "group_index"})


class Calling(msgspec.Struct):
    """One message to be: ``options`` are those of a call, ``embed`` is what it carries for afterwards."""

    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: Options
    embed: Embed | None


class Unfolded(msgspec.Struct):
    """What a call comes to. ``result`` is None where nothing is called (an empty chain).

    ``openings`` are taken and ``rests`` written before the calls are sent, or in the same step.
    """

    calls: list[Calling]
    openings: list[Opening]
    result: Result | None
    rests: list[Record] = []


def unfold(
    signature: Signature,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    new_id: Callable[[], str],
    keep: Keep | None = None,
) -> Unfolded:
    """Unfold one call. ``args`` go before the signature's own; ``options`` win over its own, as ``merged`` says.

    Without ``keep``, the messages carry everything that follows.
    """
    unfolder = _Unfolder(new_id, keep)
    result = unfolder.call(signature, tuple(args), dict(kwargs or {}), dict(options or {}))
    return Unfolded(unfolder.calls, unfolder.openings, result, unfolder.rests)


def freeze(
    signature: Signature,
    *,
    new_id: Callable[[], str],
    task_id: str | None = None,
    group_id: str | None = None,
    chord: Signature | None = None,
    group_index: int | None = None,
    root_id: str | None = None,
) -> tuple[dict[str, Any], Result]:
    """A copy in which every task has its id and who waits for it, and the result tuple that its call will have."""
    place = {"group_id": group_id, "chord": chord, "group_index": group_index}
    return _Unfolder(new_id).freeze(signature, task_id=task_id, root_id=root_id, **place)  # type: ignore[arg-type]


def cut(result: Sequence[Any], most: int = 100) -> Result:
    """A result tuple in which each task or group names at most so many of those that ran before it.

    So it can be stored: serializers go so deep into each other and no deeper.
    """
    (id, parent), inner = result
    before = cut(parent, most - 1) if parent is not None and most > 0 else None
    return [[id, before], None if inner is None else [cut(one, most) for one in inner]]


class _Unfolder:
    """One unfolding: collects calls, openings and rests."""

    def __init__(self, new_id: Callable[[], str], keep: Keep | None = None) -> None:
        self.new_id = new_id
        self.keep = keep
        self.calls: list[Calling] = []
        self.openings: list[Opening] = []
        self.rests: list[Record] = []

    def call(
        self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], given: Options
    ) -> Result | None:
        """Call any signature, and return its result tuple."""
        signature = expanded(signature)
        options = merged(signature.get("options") or {}, given)
        if kind(signature) is not None and not signature.get("immutable"):
            args = (*args, *(signature.get("args") or ()))
        elif kind(signature) is not None:
            args = tuple(signature.get("args") or ())
        match kind(signature):
            case "chain":
                return self._call_chain(signature, args, kwargs, options)
            case "group":
                return self._call_group(signature, args, kwargs, options)
            case "chord":
                return self._call_chord(signature, args, kwargs, options)
        return self._call_task(prepended(signature, args, kwargs), options)

    def _call_task(self, signature: Signature, options: Options) -> Result:
        task_id = options["task_id"] = options.get("task_id") or self.new_id()
        embed = embedded(options)
        args, kwargs = tuple(signature.get("args") or ()), dict(signature.get("kwargs") or {})
        self.calls.append(Calling(str(signature["task"]), args, kwargs, options, embed))
        return [[task_id, None], None]

    def _call_chain(
        self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options
    ) -> Result | None:
        links, after = listed(options.pop("link", None)), listed(options.pop("chain", None))
        errbacks = listed(options.pop("link_error", None))
        place = {name: options.pop(name, None) for name in ("task_id", "group_id", "chord", "group_index")}
        frozen, result = self._freeze_steps(steps_of(signature), place, options.get("root_id"))
        if not frozen:
            return self._call_rest(after, args, kwargs, options)
        frozen = [error_linked(step, errbacks) for step in frozen]
        frozen[-1] = linked(frozen[-1], links)
        rest = [*after, *reversed(frozen[1:])]
        if self.keep is not None and len(frozen) > 1:
            rest, records = split(rest, self.keep)
            self.rests += records
        self.call(frozen[0], args, kwargs, {**options, "chain": rest})
        return result

    def _call_rest(
        self, rest: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: Options
    ) -> Result | None:
        """Nothing was to be done before the rest of the chain: go on with it."""
        return self.call(rest[-1], args, kwargs, {**options, "chain": rest[:-1]}) if rest else None

    def _call_group(
        self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options
    ) -> Result | None:
        if rest := listed(options.pop("chain", None)):
            upgraded = chord_of(having(signature, options), chain_of(reversed(rest)))
            return self.call(upgraded, args, kwargs, {})
        group, chord = options.pop("task_id", None) or self.new_id(), options.pop("chord", None)
        inner = options.pop("group_id", None) is not None  # its join is that of the header around it
        options.pop("group_index", None)
        found, kept = list(flattened(signature)), b""
        if chord and not inner:
            chord, kept = self._body_for(chord, len(found))
        frozen, results = self._freeze_members(found, group, chord, options.get("root_id"))
        errbacks = listed(options.pop("link_error", None))
        if links := listed(options.pop("link", None)):
            frozen = linked(group_of(frozen), links)["kwargs"]["tasks"]
        if chord and not inner:
            self.openings.append(Opening(group, sum(map(size_of, frozen)), _shape(group, results), kept))
        for member in frozen:
            self.call(error_linked(member, errbacks), args, kwargs, options)
        return [[group, None], results]

    def _body_for(self, chord: Signature, count: int) -> tuple[Signature, bytes]:
        """What so many members carry of the body of their chord, and what their join keeps of it."""
        if self.keep is None or is_kept(chord):
            return chord, b""
        encoded = self.keep.encode(chord)
        if len(encoded) * count <= self.keep.above:
            return chord, b""
        return waiting(chord), encoded

    def _call_chord(
        self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options
    ) -> Result | None:
        above = header(signature)
        group = self._id_of_header(signature)
        task_id = options.pop("task_id", None)
        delay = {name: options.pop(name) for name in ("countdown", "eta") if options.get(name) is not None}
        below = _chord_body(signature, options)
        below, result = self.freeze(
            below,
            task_id=task_id,
            group_id=group if kind(below) is None else None,
            root_id=options.get("root_id"),
        )
        if not any(True for _ in flattened(above)):
            self.call(below, ([],), {}, {})
            return _after(result, [[group, None], []])
        given = {name: value for name, value in options.items() if name not in _NOT_FOR_HEADERS}
        own = {name: value for name, value in _options(above).items() if name not in ("chord", "group_id")}
        inside = {**((signature.get("kwargs") or {}).get("kwargs") or {}), **kwargs}
        above = having(above, {**own, "task_id": group})
        return _after(result, self.call(above, args, inside, {**given, **delay, "chord": below}))

    # Ids --------------------------------------------------------------------------------------------------------------

    def freeze(
        self,
        signature: Signature,
        *,
        task_id: str | None = None,
        group_id: str | None = None,
        chord: Signature | None = None,
        group_index: int | None = None,
        root_id: str | None = None,
    ) -> tuple[dict[str, Any], Result]:
        """See ``freeze`` of the module."""
        signature = expanded(signature)
        options = _options(signature)
        if root_id:
            options["root_id"] = root_id
        place = {"group_id": group_id, "chord": chord, "group_index": group_index}
        match kind(signature):
            case "chain":
                return self._freeze_chain(signature, options, {"task_id": task_id, **place})
            case "group" if group_id and not any(True for _ in flattened(signature)):
                nothing = make("celery.accumulate", immutable=True)  # its value is [], as that of an empty group
                return self._freeze_task(nothing, options, task_id, place)
            case "group":
                return self._freeze_group(signature, options, task_id, place)
            case "chord":
                return self._freeze_chord(signature, options, {"task_id": task_id, **place})
        return self._freeze_task(signature, options, task_id, place)

    def _freeze_task(
        self, signature: Signature, options: Options, task_id: str | None, place: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Result]:
        options["task_id"] = options.get("task_id") or task_id or self.new_id()
        for name in ("group_id", "group_index"):
            if place[name] is not None:
                options.setdefault(name, place[name])
        if place["chord"]:
            options["chord"] = place["chord"]
        return having(signature, options), [[options["task_id"], None], None]

    def _freeze_chain(
        self, signature: Signature, options: Options, place: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Result]:
        place = {**place, "task_id": place["task_id"] or options.get("task_id")}
        steps, result = self._freeze_steps(steps_of(signature), place, options.get("root_id"))
        if result is None:
            return dict(signature), [[self.new_id(), None], []]
        options["task_id"] = result[0][0]
        return having(signature, options, tasks=steps), result

    def _freeze_steps(
        self, steps: Sequence[Signature], place: Mapping[str, Any], root_id: str | None
    ) -> tuple[list[dict[str, Any]], Result | None]:
        """The steps, and the result of the last one, whose parent is the one before, and so on."""
        frozen: list[dict[str, Any]] = []
        result: Result | None = None
        for step in steps:
            last = len(frozen) == len(steps) - 1
            ready, own = self.freeze(step, root_id=root_id, **(place if last else {}))
            result = _after(own, result)
            frozen.append(ready)
        return frozen, result

    def _freeze_group(
        self, signature: Signature, options: Options, task_id: str | None, place: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Result]:
        group = options["task_id"] = options.get("task_id") or task_id or self.new_id()
        if place["group_id"]:
            options["group_id"] = place["group_id"]
        frozen, results = self._freeze_members(
            flattened(signature), place["group_id"], place["chord"], options.get("root_id"), place["group_index"] or 0
        )
        return having(signature, options, tasks=frozen), [[group, None], results]

    def _freeze_members(
        self,
        found: Iterable[Signature],
        group_id: str | None,
        chord: Signature | None,
        root_id: str | None,
        first: int = 0,
    ) -> tuple[list[dict[str, Any]], list[Result]]:
        """The members of a group with their places: one that ends in a group takes as many as that has members."""
        frozen, results = [], []
        for task in found:
            index = None if group_id is None else first
            ready, result = self.freeze(task, group_id=group_id, chord=chord, group_index=index, root_id=root_id)
            frozen.append(ready)
            results.append(result)
            first += size_of(ready)
        return frozen, results

    def _freeze_chord(
        self, signature: Signature, options: Options, place: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Result]:
        above, group, root_id = header(signature), self._id_of_header(signature), options.get("root_id")
        common = {name: value for name, value in _options(above).items() if name not in _NOT_FOR_MEMBERS}
        frozen, results = self._freeze_members(flattened(above), None, None, root_id)  # placed when it is called
        frozen = [having(one, merged(_options(one), common)) for one in frozen] if common else frozen
        place = {**place, "task_id": place["task_id"] or options.get("task_id")}
        below, result = self.freeze(body(signature), root_id=root_id, **place)
        options["task_id"] = group  # of the header, for that is where Celery looks for it
        return having(signature, options, header=frozen, body=below), _after(result, [[group, None], results])

    def _id_of_header(self, chord: Signature) -> str:
        return str(_options(header(chord)).get("task_id") or _options(chord).get("task_id") or self.new_id())


def _chord_body(signature: Signature, options: Options) -> dict[str, Any]:
    """The body with the options of its chord, whose callbacks and errbacks are added to its own."""
    found = body(signature)
    given = {name: value for name, value in options.items() if name not in ("link", "link_error", "parent_id")}
    found = having(found, merged(found.get("options") or {}, given))
    return error_linked(linked(found, listed(options.get("link"))), listed(options.get("link_error")))


def _after(result: Result, before: Result | None) -> Result:
    """``result``, whose first ancestor has ``before`` as its parent."""
    node = result
    while node[0][1] is not None:
        node = node[0][1]
    node[0][1] = before
    return result


def _shape(group: str, results: Sequence[Result]) -> Result | None:
    """What is kept of a header's form: nothing, where all members are tasks."""
    return cut([[group, None], results], 0) if any(inner is not None for _, inner in results) else None


def _options(signature: Signature) -> Options:
    return dict(signature.get("options") or {})
