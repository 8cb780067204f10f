"""A workflow's structure as records of the result store, and back: a brief for lists, and the plan. Pure.

The plan is JSON as text, and compressed where it is long: ids and names repeat in it.
"""

import base64
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from umbel.core.errors import DecodeError, EncodeError
from umbel.core.record import Record
from umbel.core.signature import CANVASES, listed
from umbel.core.workflow import Brief, Workflow, ends_of, in_words
from umbel.wire import json

STATE = "WORKFLOW"
LONG = 4096
"""Characters from which on a plan is compressed."""
LARGEST = 8 * 1024 * 1024
"""Characters of a plan above which it is kept without arguments."""
MOST_ENDS = 256
"""Tasks by which a list tells how far a workflow is; of more, the plan does."""
MOST_NAMES = 1000
"""Ids of other families, under which a workflow is found too."""
_MARK = "zlib:"


def brief_key(key: str) -> str:
    """Where the brief is."""
    return f"{key}:workflow"


def plan_key(key: str) -> str:
    """Where the plan is."""
    return f"{key}:workflow:plan"


def records_of(key: str, workflow: Workflow, size: int, names: Iterable[str]) -> list[Record]:
    """What is stored of a workflow of ``size`` tasks under ``key``, and for each of ``names``, where it is."""
    ends = ends_of(workflow.result)
    words = in_words(workflow.signature)
    brief = Brief(workflow.id, workflow.at, words, size, ends[:MOST_ENDS], len(ends) <= MOST_ENDS)
    found = [
        _record(brief_key(key), msgspec.to_builtins(brief)),
        _record(plan_key(key), encode(workflow)),
    ]
    others = sorted(name for name in {*names} if name != key)
    return [*found, *(_record(brief_key(name), key) for name in others[:MOST_NAMES])]


def _record(id: str, value: Any) -> Record:
    return Record(STATE, value, None, [], None, id)


def encode(workflow: Workflow) -> str:
    """A plan as text. Arguments that cannot be encoded, or are too large together, are left out."""
    try:
        text = _text(workflow)
    except EncodeError:
        text = ""
    if not text or len(text) > LARGEST:
        bare = msgspec.structs.replace(
            workflow, signature=_bare(workflow.signature), args=[], kwargs={}, options={}, whole=False
        )
        text = _text(bare)
    if len(text) < LONG:
        return text
    return _MARK + base64.b64encode(zlib.compress(text.encode(errors="surrogatepass"), 1)).decode()


def decode(text: Any) -> Workflow:
    """The plan of this text. Raises ``DecodeError``."""
    if not isinstance(text, str):
        raise DecodeError("not the plan of a workflow")
    try:
        if text.startswith(_MARK):
            text = zlib.decompress(base64.b64decode(text[len(_MARK) :])).decode(errors="surrogatepass")
        return Workflow(**json.loads(text))
    except (ValueError, TypeError, zlib.error) as exc:
        raise DecodeError(f"not the plan of a workflow: {exc}") from exc


def brief_of(record: Record | None) -> Brief | str | None:
    """What is stored as a brief: a brief, or the key of the workflow that has it."""
    if record is None or record.status != STATE:
        return None
    if isinstance(record.result, str):
        return record.result
    try:
        return msgspec.convert(record.result, Brief)
    except msgspec.ValidationError:
        return None


def _text(workflow: Workflow) -> str:
    return json.dumps({name: getattr(workflow, name) for name in Workflow.__struct_fields__}).decode()


def _bare(signature: Mapping[str, Any]) -> dict[str, Any]:
    """A signature without arguments; of the options, only ids and what else is called."""
    options, kwargs = signature.get("options") or {}, signature.get("kwargs") or {}
    kept = {name: options[name] for name in ("task_id", "group_id", "group_index") if name in options}
    for name in ("link", "link_error"):
        if options.get(name):
            kept[name] = [_bare(one) for one in listed(options[name])]
    bare = {**signature, "args": [], "kwargs": {}, "options": kept}
    if signature.get("subtask_type") not in CANVASES:
        return bare
    inside: dict[str, Any] = {}
    for name, value in kwargs.items():
        if name in ("tasks", "header", "body"):
            inside[name] = _bare(value) if isinstance(value, Mapping) else [_bare(one) for one in value]
    return {**bare, "kwargs": {**inside, **({"kwargs": {}} if "header" in inside else {})}}
