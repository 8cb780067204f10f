"""The rest of a workflow where its messages do not carry it: kept once, beside the results, and named there. Pure.

    the body of a chord      kept by its join (``Opening.body``); members carry ``{"task": "umbel.rest", "options": …}``
    the rest of a chain      kept in records, a block each; the chain in a message refers to the block that comes next

Both stand where a signature stands, and are signatures of ``umbel.rest``: what does not know them (a worker of Celery)
fails where it would go on, and says so under the id that the workflow's caller waits for.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from umbel.core.record import Record
from umbel.core.signature import REST, Signature, body, kind, make, members

KEPT, READ = "REST", "READ"
"""States of a block: nobody has it yet, or a message carries it now."""
KEPT_AT_LEAST = 7 * 86400.0
"""Seconds that a block is kept though results expire sooner: as long as a failed message may be sent again."""
_PLACE = ("task_id", "group_id", "group_index", "chord")


class Keep(NamedTuple):
    """What is kept elsewhere: what takes up more than ``above`` bytes, as ``encode`` writes it.

    ``encode`` returns nothing for what it cannot write: that stays in the message.
    """

    above: int
    encode: Callable[[Any], bytes]


def is_kept(signature: Signature | None) -> bool:
    """Whether this stands for what is kept elsewhere."""
    return signature is not None and signature.get("task") == REST


def waiting(chord: Signature) -> dict[str, Any]:
    """What members of a chord carry in place of its body, which their join keeps."""
    return {"task": REST, "options": {"task_id": end_of(chord)}}


def end_of(signature: Signature) -> str | None:
    """The id of a task that the caller of a frozen signature waits for: of several, the last."""
    found: str | None = _options(_last(signature)).get("task_id")
    return found


def block_of(chain: Sequence[Signature] | None) -> str | None:
    """The id of the block that comes next in what follows a task; None where the next link itself is there."""
    if not chain or not is_kept(chain[-1]):
        return None
    return str((chain[-1].get("kwargs") or {}).get("id"))


def split(rest: Sequence[Signature], keep: Keep) -> tuple[list[Any], list[Record]]:
    """The frozen rest of a chain, last link first, as a message carries it, and the blocks with what it does not.

    Blocks have ids made from that of the next link: the same again when it is called again.
    """
    sizes = [len(keep.encode(link)) for link in rest]
    if sum(sizes) <= keep.above or not all(sizes):
        return list(rest), []
    end = _options(_last(rest[0]))
    place = {option: end[option] for option in _PLACE if option in end}
    name, records, chain = end_of(rest[-1]), [], list[Any]()
    *elsewhere, here = _blocks(rest, sizes, keep.above)
    for number, block in enumerate(elsewhere):
        key = f"{name}:rest:{len(elsewhere) - 1 - number}"
        records.append(Record(KEPT, [*chain, *block], None, [], None, key))
        chain = [make(REST, kwargs={"id": key}, options=place)]
    return [*chain, *here], records


def _blocks(rest: Sequence[Signature], sizes: Sequence[int], above: int) -> list[list[Signature]]:
    """The links in blocks of at most ``above`` bytes or one link, those that come last first.

    The last block is for the message itself, and may be empty.
    """
    blocks: list[list[Signature]] = [[]]
    room = above
    for link, size in zip(reversed(rest), reversed(sizes), strict=True):
        if size > room and (blocks[-1] or len(blocks) == 1):
            blocks.append([])
            room = above
        blocks[-1].insert(0, link)
        room -= size
    return blocks[::-1]


def _last(signature: Signature) -> Signature:
    match kind(signature):
        case "chain" | "group" if found := members(signature):
            return _last(found[-1])
        case "chord":
            return _last(body(signature))
    return signature


def _options(signature: Signature) -> Mapping[str, Any]:
    return signature.get("options") or {}
