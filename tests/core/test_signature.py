"""Signatures as data: partial arguments, options, links, and what is said of something that is no signature."""

from typing import Any

import pytest

from umbel.core import signature as sig
from umbel.core.errors import InvalidTaskError


def task(name: str, *args: Any, **options: Any) -> dict[str, Any]:
    return sig.make(name, args, options=options)


def test_partial_arguments_go_in_front() -> None:
    assert sig.prepended(task("add", 2), (1,), {"x": 3})["args"] == [1, 2]
    assert sig.prepended(task("add", 2), (1,), {"x": 3})["kwargs"] == {"x": 3}


def test_an_immutable_signature_ignores_partial_arguments() -> None:
    fixed = sig.make("add", [2], immutable=True)
    assert sig.prepended(fixed, (1,), {"x": 3}) == fixed
    assert sig.prepended(fixed, (1,), force=True)["args"] == [1, 2]


def test_options_of_the_call_win_but_not_over_group_and_stamps() -> None:
    own = {"group_id": "g", "queue": "a", "stamped_headers": ["who"], "who": "me"}
    given: dict[str, Any] = {"group_id": "h", "queue": "b", "priority": None, "who": "you", "stamped_headers": []}
    assert sig.merged(own, given) == {**own, "queue": "b"}


def test_links_go_to_the_end_and_errbacks_everywhere() -> None:
    a, b, c, on, oops = (task(name) for name in ("a", "b", "c", "on", "oops"))
    chain = sig.error_linked(sig.linked(sig.chain_of([a, b]), [on]), [oops])
    first, last = sig.members(chain)
    assert (first["options"], last["options"]) == ({"link_error": [oops]}, {"link": [on], "link_error": [oops]})
    chord = sig.error_linked(sig.linked(sig.chord_of([a, b], c), [on]), [oops])
    assert sig.body(chord)["options"] == {"link": [on], "link_error": [oops]}
    assert sig.members(chord) == [a, b]
    group = sig.linked(sig.group_of([a, b]), [on])
    assert sig.members(group) == [{**a, "options": {"link": [{**on, "immutable": True}]}}, b]


def test_chunks_are_a_group_of_starmaps() -> None:
    chunks = sig.make(
        "celery.chunks", kwargs={"task": task("add"), "it": [(1, 1), (2, 2), (3, 3)], "n": 2}, immutable=True
    )
    assert sig.kind(chunks) == "chunks"
    assert [one["kwargs"]["it"] for one in sig.members(sig.expanded(chunks))] == [[(1, 1), (2, 2)], [(3, 3)]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"task": "a", "qeue": "x"}, "signature has an unknown key 'qeue'"),
        ({"args": []}, "signature has no task"),
        ({"task": "a", "args": "abc"}, "no list"),
        ("a", "not str"),
        (
            sig.group_of([{"task": "a"}, sig.chain_of([{"task": "b", "x": 1}])]),
            r"tasks\[1\]\.tasks\[0\] has an unknown",
        ),
        (sig.chord_of([{"task": "a"}], {"task": ""}), r"signature\.body has no task"),
        (sig.chord_of([3], {"task": "b"}), r"header\[0\] is a dict"),  # type: ignore[list-item]
    ],
)
def test_what_is_no_signature_is_told_by_its_place(value: Any, message: str) -> None:
    with pytest.raises(InvalidTaskError, match=message):
        sig.check(value)


def test_what_older_publishers_add_is_accepted() -> None:
    sig.check({**sig.chord_of([task("a")], task("b")), "chord_size": 1})
