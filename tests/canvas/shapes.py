"""Shapes of canvas: drawn by hypothesis, built with the public API, and evaluated directly in Python.

A shape is JSON: ``["task", label, immutable]``, ``["map", labels]``, ``["starmap", lists]``, ``["chunks", lists, n]``,
``["chain", shapes]``, ``["group", shapes]``, ``["chord", header, body]``. Every task returns the list of its arguments,
so a value shows who was called with what.
"""

from typing import Any

from hypothesis import strategies as st

from umbel import Umbel, chain, chord, group

Shape = list[Any]
MARK = "tests.worker.subjects.listed"

_labels = st.integers(0, 99)
_tasks = st.tuples(st.just("task"), _labels, st.booleans())
_lists = st.lists(st.lists(_labels, min_size=1, max_size=2), min_size=1, max_size=3)
LEAVES = st.one_of(
    _tasks,
    _tasks,
    st.tuples(st.just("map"), st.lists(_labels, min_size=1, max_size=3)),
    st.tuples(st.just("starmap"), _lists),
    st.tuples(st.just("chunks"), _lists, st.integers(1, 2)),
)


def _around(inner: st.SearchStrategy[Any], least: int) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=least, max_size=3)
    return st.one_of(
        inner,
        st.tuples(st.just("chain"), several),
        st.tuples(st.just("group"), several),
        st.tuples(st.just("chord"), several, inner.filter(lambda body: not is_void(body))),
    )


def shapes(*, least: int = 0, deep: int = 3) -> st.SearchStrategy[Any]:
    """Shapes nested up to ``deep``, whose chains, groups and headers have at least ``least`` members."""
    found: st.SearchStrategy[Any] = LEAVES
    for _ in range(deep):
        found = _around(found, least)
    return found.filter(lambda shape: not is_void(shape))


def is_void(shape: Any) -> bool:
    """Whether nothing is called: a chain of nothing."""
    return shape[0] == "chain" and all(map(is_void, shape[1]))


def built(shape: Any, app: Umbel, task: str = MARK) -> Any:
    """The shape as a signature, made of calls of ``task``."""
    mark = app.signature(task)
    match shape:
        case ["task", label, fixed] | ("task", label, fixed):
            return app.signature(task, (label,), immutable=fixed)
        case ["map", items] | ("map", items):
            return app.signature("celery.map", kwargs={"task": mark, "it": items}, immutable=True)
        case ["starmap", items] | ("starmap", items):
            return app.signature("celery.starmap", kwargs={"task": mark, "it": items}, immutable=True)
        case ["chunks", items, size] | ("chunks", items, size):
            kwargs = {"task": mark, "it": items, "n": size}
            return app.signature("celery.chunks", kwargs=kwargs, immutable=True)
        case ["chain", members] | ("chain", members):
            return chain([built(one, app, task) for one in members], app=app)
        case ["group", members] | ("group", members):
            return group([built(one, app, task) for one in members], app=app)
        case ["chord", header, body] | ("chord", header, body):
            return chord([built(one, app, task) for one in header], built(body, app, task), app=app)
    raise AssertionError(shape)


def value(shape: Any, *args: Any) -> Any:
    """What it comes to, called with ``args``."""
    match shape[0]:
        case "task":
            return [shape[1]] if shape[2] else [*args, shape[1]]
        case "map":
            return [[item] for item in shape[1]]
        case "starmap":
            return [list(items) for items in shape[1]]
        case "chunks":
            return [value(part) for part in _chunks(shape)]
        case "group":
            return [value(member, *args) for member in _members(shape)]
        case "chord":
            return value(shape[2], [value(member, *args) for member in _members(("group", shape[1]))])
    for step in _steps(shape):
        args = (value(step, *args),)
    return args[0]


def _chunks(shape: Any) -> list[Any]:
    return [("starmap", shape[1][start : start + shape[2]]) for start in range(0, len(shape[1]), shape[2])]


def _members(shape: Any) -> list[Any]:
    """The members of a group: groups in groups are one group."""
    found = []
    for member in shape[1]:
        if member[0] == "chunks":
            found += _chunks(member)
        elif member[0] == "group":
            found += _members(member)
        elif not is_void(member):
            found.append(member)
    return found


def _steps(shape: Any) -> list[Any]:
    """The steps of a chain: chains in chains are one chain, and a group of one is its member."""
    found = []
    for step in shape[1]:
        members = _chunks(step) if step[0] == "chunks" else _members(step) if step[0] == "group" else []
        if step[0] == "chain":
            found += _steps(step)
        elif len(members) == 1:
            found += _steps(("chain", members))
        else:
            found.append(step)
    return found
