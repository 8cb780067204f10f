"""How signatures stand in each other: what the steps of a chain come to, and what a join has to do with them. Pure.

The rules are Celery's. What is called is in ``core.unfolding``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from umbel.core.signature import (
    Signature,
    body,
    chain_of,
    chord_of,
    expanded,
    flattened,
    having,
    header,
    kind,
    listed,
    members,
    piped,
    unchained,
)


def size_of(signature: Signature) -> int:
    """How many parts a member of a header is for its join."""
    match kind(signature):
        case "group" | "chunks":
            return sum(map(size_of, members(expanded(signature))))
        case "chain":
            return next((size for task in reversed(members(signature)) if (size := size_of(task))), 0)
        case "chord":
            return size_of(body(signature))
    return 1


def steps_of(chain: Signature) -> list[Signature]:
    """The steps of a chain: chains in it spliced, groups of one unrolled, a group with a successor made a chord."""
    steps: list[Signature] = []  # the last one first
    for task in reversed(list(_spliced(chain))):
        if steps and kind(task) == "group":
            steps.append(chord_of(task, steps.pop()))
        elif steps and kind(task) == "chord" and _ends_in_group(task):
            steps.append(having(task, task.get("options") or {}, body=piped(body(task), steps.pop())))
        else:
            steps.append(task)
    return steps[::-1]


def _spliced(chain: Signature) -> Iterator[Signature]:
    for task in members(chain):
        if kind(task) == "chain":
            yield from _spliced(chain_of(unchained(task)))
        elif kind(task) == "group" and len(found := list(flattened(task))) == 1:
            yield from _spliced(chain_of(found))
        else:
            yield task


def _ends_in_group(signature: Signature) -> bool:
    match kind(signature):
        case "group" | "chunks":
            return True
        case "chain":
            steps = steps_of(signature)
            return bool(steps) and _ends_in_group(steps[-1])
        case "chord":
            return _ends_in_group(body(signature))
    return False


def waits(signature: Signature) -> bool:
    """Whether a join is opened sooner or later when it is called, or may be: then a result store is needed."""
    if any(map(waits, linked_in(signature.get("options") or {}))):
        return True
    match kind(signature):
        case "chain":
            return any(map(waits, steps_of(signature)))
        case "group":
            return any(map(waits, members(signature)))
        case "chord":
            return any(True for _ in flattened(header(signature))) or waits(body(signature))
    return False


def linked_in(options: Mapping[str, Any]) -> list[Signature]:
    """The callbacks and errbacks among the options of a call."""
    return [*listed(options.get("link")), *listed(options.get("link_error"))]
