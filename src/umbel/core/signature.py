"""Signatures as plain data, in the form in which they travel (Celery's). Pure: what is done with them is decided above.

    {"task": name, "args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}

A chain and a group keep their members in ``kwargs["tasks"]``, a chord keeps ``header``, ``body`` and ``kwargs`` there.
Nothing here changes what it is given, and arguments are never copied.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from umbel.core.errors import InvalidTaskError
from umbel.core.message import Embed

Signature = Mapping[str, Any]
Options = dict[str, Any]

FIELDS = ("task", "args", "kwargs", "options", "subtask_type", "immutable")
FOLLOWERS = ("link", "link_error", "chain", "chord")
"""Options of a call that are signatures: what follows it."""
CANVASES = ("chain", "group", "chord")
MAPS = ("celery.map", "celery.starmap", "celery.chunks")
REST = "umbel.rest"
"""The task of a signature that stands for what is kept elsewhere (``core.resting``)."""
_TOLERATED = "chord_size"  # older publishers wrote it
_KEPT = frozenset({"group_id", "stamped_headers"})


def make(
    task: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    subtask_type: str | None = None,
    immutable: bool = False,
) -> dict[str, Any]:
    """A signature."""
    return {
        "task": task,
        "args": list(args),
        "kwargs": dict(kwargs or {}),
        "options": dict(options or {}),
        "subtask_type": subtask_type,
        "immutable": immutable,
    }


def chain_of(tasks: Iterable[Signature]) -> dict[str, Any]:
    """A chain of them."""
    return make("celery.chain", kwargs={"tasks": list(tasks)}, subtask_type="chain")


def group_of(tasks: Iterable[Signature], options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A group of them."""
    return make("celery.group", kwargs={"tasks": list(tasks)}, options=options, subtask_type="group")


def chord_of(header: Signature | Sequence[Signature], body: Signature) -> dict[str, Any]:
    """A chord: ``body`` is called with the results of ``header``."""
    return make("celery.chord", kwargs={"kwargs": {}, "header": header, "body": body}, subtask_type="chord")


def kind(signature: Signature) -> str | None:
    """``chain``, ``group``, ``chord``, ``chunks``; None for a call of one task (``map`` and ``starmap`` are that)."""
    found: str | None = signature.get("subtask_type")
    if found in CANVASES:
        return found
    return "chunks" if signature.get("task") == "celery.chunks" else None


def members(signature: Signature) -> list[Signature]:
    """The members of a chain or a group, or of a chord's header. Chunks come as the groups that they are."""
    kwargs = signature.get("kwargs") or {}
    if kind(signature) != "chord":
        return [expanded(task) for task in kwargs.get("tasks") or ()]
    found = kwargs.get("header") or ()
    return members(found) if isinstance(found, Mapping) else [expanded(task) for task in found]


def flattened(group: Signature) -> Iterator[Signature]:
    """The members of a group: groups in groups dissolved, chains of nothing left out."""
    for task in members(group):
        if kind(task) == "group":
            common = {k: v for k, v in _options(task).items() if k not in ("task_id", "group_id", "group_index")}
            for member in flattened(task):
                yield having(member, merged(_options(member), common)) if common else member
        elif not is_void(task):
            yield task


def is_void(signature: Signature) -> bool:
    """Whether it is a chain of nothing."""
    return kind(signature) == "chain" and all(map(is_void, members(signature)))


def header(signature: Signature) -> Signature:
    """The header of a chord as a group."""
    found = (signature.get("kwargs") or {}).get("header") or ()
    return expanded(found) if isinstance(found, Mapping) else group_of(found)


def body(signature: Signature) -> Signature:
    """The body of a chord. Raises ``InvalidTaskError`` if it has none."""
    found = (signature.get("kwargs") or {}).get("body")
    if not found:
        raise InvalidTaskError("a chord has no body: chord(header, body), or chord(header)(body)")
    return expanded(found)


def expanded(signature: Signature) -> Signature:
    """The same signature; chunks as the group of their ``celery.starmap`` calls."""
    if kind(signature) != "chunks":
        return signature
    task, items, size = (signature["kwargs"][name] for name in ("task", "it", "n"))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    calls = [make("celery.starmap", kwargs={"task": task, "it": part}, immutable=True) for part in parts]
    return group_of(calls, signature.get("options"))


def listed(value: Any) -> list[Any]:
    """One, many or none of ``link`` and the like, as a list."""
    if not value:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def merged(own: Mapping[str, Any], given: Mapping[str, Any]) -> Options:
    """Options with those of a call: the latter win where they say anything, but not over group and stamps."""
    kept = _KEPT.union(own.get("stamped_headers") or ())
    return {
        **own,
        **{name: value for name, value in given.items() if value is not None and not (name in kept and name in own)},
    }


def prepended(
    signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None, *, force: bool = False
) -> dict[str, Any]:
    """The signature with partial arguments in front of its own. An immutable one ignores them, unless ``force``."""
    if not (args or kwargs) or (signature.get("immutable") and not force):
        return dict(signature)
    own = {**(signature.get("kwargs") or {}), **(kwargs or {})}
    return {**signature, "args": [*args, *(signature.get("args") or ())], "kwargs": own}


def having(signature: Signature, options: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
    """A copy with these options, and some other keyword arguments."""
    own = signature.get("kwargs") or {}
    return {**signature, "options": dict(options), "kwargs": {**own, **kwargs} if kwargs else own}


def linked(signature: Signature, callbacks: Sequence[Signature]) -> dict[str, Any]:
    """A copy with more callbacks: a chain's last step has them, a chord's body, and a group's first member."""
    if not callbacks:
        return dict(signature)
    found = members(signature)
    match kind(signature):
        case "chain" if found:
            return having(signature, _options(signature), tasks=[*found[:-1], linked(found[-1], callbacks)])
        case "group" if found:
            first = linked(found[0], [{**one, "immutable": True} for one in callbacks])
            return having(signature, _options(signature), tasks=[first, *found[1:]])
        case "chord":
            return having(signature, _options(signature), body=linked(body(signature), callbacks))
    return _more(signature, "link", callbacks)


def error_linked(signature: Signature, errbacks: Sequence[Signature]) -> dict[str, Any]:
    """A copy with more errbacks: every step of a chain, every member of a group has them, and a chord's body."""
    if not errbacks:
        return dict(signature)
    match kind(signature):
        case "chain" | "group":
            more = [error_linked(task, errbacks) for task in members(signature)]
            return having(signature, _options(signature), tasks=more)
        case "chord":
            return having(signature, _options(signature), body=error_linked(body(signature), errbacks))
    return _more(signature, "link_error", errbacks)


def unchained(chain: Signature) -> list[Signature]:
    """The steps of a chain that becomes part of another: they have what was said of it as a whole.

    Its callbacks go to the last, its errbacks to all, its other options and its arguments to the first.
    """
    options = _options(chain)
    links, errbacks = listed(options.pop("link", None)), listed(options.pop("link_error", None))
    options.pop("task_id", None)
    steps = members(chain)
    if not steps:
        return []
    first = having(steps[0], merged(_options(steps[0]), options)) if options else steps[0]
    first = prepended(first, chain.get("args") or ())
    return members(linked(error_linked(chain_of([first, *steps[1:]]), errbacks), links))


def piped(left: Signature, right: Signature) -> dict[str, Any]:
    """``left | right``, by Celery's rules: chains grow, what follows a group makes it a chord."""
    left, right = expanded(left), expanded(right)
    if kind(left) == "group":
        return chord_of(left, right)
    if kind(right) == "group" and len(found := list(flattened(right))) == 1:
        right = found[0]
    if kind(left) == "chain":
        if kind(right) == "chain":
            return functools.reduce(piped, unchained(right), dict(left))
        return chain_of(_appended(unchained(left), right))
    if kind(left) == "chord" and kind(right) not in ("group", "chain"):
        return having(left, _options(left), body=piped(body(left), right))
    return chain_of([left, *(unchained(right) if kind(right) == "chain" else [right])])


def _appended(steps: list[Signature], task: Signature) -> list[Signature]:
    """The steps of a chain, and ``task`` after them."""
    if not steps or kind(steps[-1]) is None:
        return [*steps, task]
    *before, last = steps
    if kind(last) == "chord":
        return [*before, having(last, _options(last), body=piped(body(last), task))]
    if kind(last) != "group" or kind(task) == "group":
        return [*steps, task]
    together = chord_of(last, task)
    if before and kind(before[-1]) == "chord":
        return [*before[:-1], having(before[-1], _options(before[-1]), body=piped(body(before[-1]), together))]
    return [*before, together]


def _more(signature: Signature, option: str, value: Sequence[Signature]) -> dict[str, Any]:
    options = _options(signature)
    own = listed(options.get(option))
    return having(signature, {**options, option: [*own, *(one for one in value if one not in own)]})


def _options(signature: Signature) -> Options:
    return dict(signature.get("options") or {})


# Shape ----------------------------------------------------------------------------------------------------------------


def plain(signature: Signature) -> dict[str, Any]:
    """The signature and all in it as dicts and lists, without objects of Umbel's own."""
    if signature["task"] == REST:
        return dict(signature)  # already, and shorter than others
    found = make(signature["task"], **_filled(signature))
    options, kwargs = found["options"], found["kwargs"]
    for name in ("link", "link_error", "chain"):
        if name in options:
            options[name] = [plain(one) for one in listed(options[name])]
    if options.get("chord"):
        options["chord"] = plain(options["chord"])
    _plain_members(found, kwargs)
    return found


def _filled(signature: Signature) -> dict[str, Any]:
    return {
        "args": signature.get("args") or (),
        "kwargs": signature.get("kwargs"),
        "options": signature.get("options"),
        "subtask_type": signature.get("subtask_type"),
        "immutable": bool(signature.get("immutable")),
    }


def _plain_members(found: dict[str, Any], kwargs: dict[str, Any]) -> None:
    if found["subtask_type"] in ("chain", "group"):
        kwargs["tasks"] = [plain(task) for task in kwargs.get("tasks") or ()]
    elif found["subtask_type"] == "chord":
        above = kwargs.get("header") or ()
        kwargs["header"] = plain(above) if isinstance(above, Mapping) else [plain(task) for task in above]
        kwargs["body"] = plain(kwargs["body"]) if kwargs.get("body") else None
    elif found["task"] in MAPS and isinstance(kwargs.get("task"), Mapping):
        kwargs["task"] = plain(kwargs["task"])


def embedded(options: Options, given: Embed | None = None) -> Embed | None:
    """Take out of a call's options what its message carries for afterwards, as plain data, beside what is ``given``."""
    given = given or Embed()
    found = {option: _signatures(option, options.pop(option, None)) for option in FOLLOWERS}
    embed = Embed(
        [*(given.callbacks or ()), *found["link"]] or None,
        [*(given.errbacks or ()), *found["link_error"]] or None,
        found["chain"] or given.chain,
        found["chord"][0] if found["chord"] else given.chord,
    )
    return embed if embed.callbacks or embed.errbacks or embed.chain or embed.chord else None


def _signatures(option: str, value: Any) -> list[dict[str, Any]]:
    for one in (found := listed(value)):
        if not isinstance(one, Mapping) or not one.get("task"):
            raise TypeError(f"{option}= takes signatures, such as task.s(), not {one!r}")
    return [plain(one) for one in found]


def check(value: Any, place: str = "signature") -> None:
    """Raise ``InvalidTaskError`` that says where in ``value`` something is no signature, or has a key too many."""
    if not isinstance(value, Mapping):
        raise InvalidTaskError(f"{place} is a dict with the keys {', '.join(FIELDS)}, not {type(value).__name__}")
    unknown = [key for key in value if key not in FIELDS and key != _TOLERATED]
    if unknown:
        raise InvalidTaskError(f"{place} has an unknown key {unknown[0]!r}; its keys are {', '.join(FIELDS)}")
    if not isinstance(value.get("task"), str) or not value["task"]:
        raise InvalidTaskError(f"{place} has no task: the key 'task' names what is to be called")
    for key, types in (("args", (list, tuple)), ("kwargs", (Mapping,)), ("options", (Mapping,))):
        if value.get(key) is not None and not isinstance(value[key], types):
            raise InvalidTaskError(f"{place}[{key!r}] is no {types[0].__name__.lower()}: {value[key]!r}")
    _each_member(value, place, check)


def check_followers(options: Mapping[str, Any], place: str = "") -> None:
    """``check`` what options say is to follow. What is no signature at all is left to others."""
    for option in FOLLOWERS:
        value = options.get(option)
        for number, one in enumerate(listed(value)):
            if isinstance(one, Mapping):
                check(one, place + option + (f"[{number}]" if isinstance(value, list | tuple) else ""))


def _each_member(value: Signature, place: str, visit: Callable[[Any, str], None]) -> None:
    kwargs = value.get("kwargs") or {}
    if value.get("options"):
        check_followers(value["options"], f"{place}.")
    if value["task"] in MAPS and isinstance(kwargs.get("task"), Mapping):
        visit(kwargs["task"], f"{place}.task")
    if value.get("subtask_type") in ("chain", "group"):
        for number, task in enumerate(kwargs.get("tasks") or ()):
            visit(task, f"{place}.tasks[{number}]")
    elif value.get("subtask_type") == "chord":
        above = kwargs.get("header") or ()
        if isinstance(above, Mapping):
            visit(above, f"{place}.header")
        else:
            for number, task in enumerate(above):
                visit(task, f"{place}.header[{number}]")
        if kwargs.get("body"):
            visit(kwargs["body"], f"{place}.body")
