"""What follows the end of a task: who is called next, who will never be, and which joins hear of it. Pure.

What a message carries for afterwards (``Embed``) is signatures as plain data. Turning one into messages is not done
here (``core.unfolding`` says which, the app encodes them); what is decided here is which, with what, and for whom.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import msgspec

from umbel.core.joining import Arrived
from umbel.core.message import Embed
from umbel.core.resting import block_of
from umbel.core.signature import Signature, body, expanded, group_of, kind, listed, members
from umbel.core.states import SUCCESS

_NAMES = uuid.UUID("6f2f7c4c-8d0e-5b0a-9a54-9a1c3d6c1f0e")
"""Of ids that are made from what they follow: the same again when it is published again."""


class Call(msgspec.Struct):
    """A signature that is to be called now. ``place`` names it among the calls that follow one task."""

    signature: Signature
    args: tuple[Any, ...]
    place: str
    chain: list[dict[str, Any]] | None = None


class Ending(msgspec.Struct):
    """A task that has ended, or will never run. ``chord`` is the body of the join that waits for it.

    ``block``: this is the last of several, and the others are told there (``core.resting``).
    """

    task_id: str | None
    group: str | None
    index: int | None
    chord: dict[str, Any] | None
    block: str | None = None


def ids_after(task_id: str | None, place: str) -> Callable[[], str]:
    """Makes the ids of what follows a task at one place: always the same."""
    numbers = count()
    return lambda: str(uuid.uuid5(_NAMES, f"{task_id}/{place}/{next(numbers)}"))


def is_followed(embed: Embed) -> bool:
    """Whether anything follows a task that ends."""
    return bool(embed.chain or embed.chord or embed.callbacks or embed.errbacks)


def next_calls(embed: Embed, value: Any) -> list[Call]:
    """What a task that returned ``value`` calls: its callbacks, those that are groups first, and its chain's next link.

    As in Celery, several plain callbacks go out as one group.
    """
    calls = []
    callbacks = embed.callbacks or []
    if len(callbacks) > 1:
        groups = [one for one in callbacks if kind(one) == "group"]
        others = [one for one in callbacks if kind(one) != "group"]
        calls += [Call(one, (value,), f"callback-group-{n}") for n, one in enumerate(groups)]
        if others:
            calls.append(Call(group_of(others), (value,), "callbacks"))
    elif callbacks:
        calls.append(Call(callbacks[0], (value,), "callback"))
    if embed.chain:
        calls.append(Call(embed.chain[-1], (value,), "chain", list(embed.chain[:-1])))
    return calls


def endings(signature: Signature) -> Iterator[Ending]:
    """The tasks that will never run because this signature is not called, those who are waited for.

    Of a chord that is its body: its header's results are never asked for without it.
    """
    options = signature.get("options") or {}
    match kind(signature):
        case "chain" | "group" | "chunks":
            for member in members(expanded(signature)):
                yield from endings(member)
        case "chord":
            yield from endings(body(signature))
        case _:
            chord = options.get("chord") or None
            place = options.get("task_id"), options.get("group_id"), options.get("group_index")
            yield Ending(*place, chord, block_of([signature]))
    yield from endings_of_chain(options.get("chain"))


def endings_of_chain(chain: Sequence[Signature] | None) -> Iterator[Ending]:
    """The same for the rest of a chain."""
    for link in chain or ():
        yield from endings(link)


def errbacks_of(signature: Signature) -> list[Signature]:
    """The errbacks of a signature that fails without having run, each once: a group's are its members' too."""
    found = listed((signature.get("options") or {}).get("link_error"))
    match kind(signature):
        case "chain" if not found:
            found = [errback for link in members(signature)[:1] for errback in errbacks_of(link)]
        case "chord":
            found = [*found, *errbacks_of(body(signature))]
    return [errback for place, errback in enumerate(found) if errback not in found[:place]]


def reporters(signature: Signature) -> list[tuple[str | None, list[Signature]]]:
    """Who reports the failure of a chord's header, as ``(task id, errbacks)``: the body, or each member of a group."""
    if kind(signature) != "group":
        return [(_last_id(signature), errbacks_of(signature))]
    common = listed((signature.get("options") or {}).get("link_error"))
    return [
        (_last_id(member), own + [errback for errback in common if errback not in own])
        for member in members(signature)
        for own in [errbacks_of(member)]
    ]


def _last_id(signature: Signature) -> str | None:
    """The id of the task whose result is that of the signature, without the chain that follows it."""
    options = {name: value for name, value in (signature.get("options") or {}).items() if name != "chain"}
    ends = list(endings({**signature, "options": options}))
    return ends[-1].task_id if ends else None


def culprit(parts: Sequence[Arrived | list[Any]]) -> Arrived | None:
    """The first part that is no success, in the order of the header."""
    for part in parts:
        found = culprit(part) if isinstance(part, list) else part
        if found is not None and found.state != SUCCESS:
            return found
    return None


def values(parts: Sequence[Arrived | list[Any]]) -> list[Any]:
    """What the body is called with."""
    return [values(part) if isinstance(part, list) else part.result for part in parts]


def failures(parts: Sequence[Arrived | list[Any]]) -> int:
    """How many parts are no success."""
    return sum(failures(part) if isinstance(part, list) else part.state != SUCCESS for part in parts)
