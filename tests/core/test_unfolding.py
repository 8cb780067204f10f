"""What a signature comes to: the messages, what each carries, and the joins that are opened."""

import itertools
from collections.abc import Callable
from typing import Any

from umbel.core.nesting import size_of
from umbel.core.signature import chain_of, chord_of, group_of, make
from umbel.core.unfolding import Unfolded, freeze, unfold


def ids() -> Callable[[], str]:
    count = itertools.count(1)
    return lambda: f"id{next(count)}"


def task(name: str, *args: Any, **options: Any) -> dict[str, Any]:
    return make(name, args, options=options)


a, b, c, d = (task(name) for name in "abcd")


def unfolded(signature: Any, *args: Any, **options: Any) -> Unfolded:
    return unfold(signature, args, {}, options, new_id=ids())


def names(signatures: Any) -> list[str]:
    return [one["task"] for one in signatures or ()]


def test_a_chain_is_its_first_step_and_carries_the_rest_reversed() -> None:
    (call,) = unfolded(chain_of([a, chain_of([b, c])]), 7).calls
    assert (call.task, call.args) == ("a", (7,))
    assert call.embed is not None
    assert names(call.embed.chain) == ["c", "b"]


def test_the_result_of_a_chain_is_that_of_its_last_step_and_knows_its_parents() -> None:
    assert unfolded(chain_of([a, b, c]), task_id="last").result == [
        ["last", [["id2", [["id1", None], None]], None]],
        None,
    ]


def test_members_of_groups_in_groups_keep_their_order() -> None:
    found = unfolded(group_of([a, group_of([b, c]), d]))
    assert [(call.task, call.options["group_index"]) for call in found.calls] == [
        ("a", 0),
        ("b", 1),
        ("c", 2),
        ("d", 3),
    ]
    assert {call.options["group_id"] for call in found.calls} == {"id1"}


def test_a_group_with_a_successor_is_a_chord() -> None:
    found = unfolded(chain_of([group_of([a, b]), c]))
    assert [call.embed.chord["task"] for call in found.calls if call.embed and call.embed.chord] == ["c", "c"]
    assert [(one.size, one.shape) for one in found.openings] == [(2, None)]


def test_a_group_of_one_in_a_chain_is_its_member() -> None:
    (call,) = unfolded(chain_of([a, group_of([b]), c])).calls
    assert call.embed is not None
    assert names(call.embed.chain) == ["c", "b"]


def test_an_empty_header_calls_the_body_with_nothing() -> None:
    (call,) = unfolded(chord_of([], c)).calls
    assert (call.task, call.args) == ("c", ([],))


def test_the_rest_of_a_chain_goes_with_the_body() -> None:
    found = unfolded(chain_of([chord_of([a, b], c), d]))
    chord = found.calls[0].embed.chord  # type: ignore[union-attr]
    assert chord is not None
    assert names(chord["options"]["chain"]) == ["d"]
    assert all(not call.embed or not call.embed.chain for call in found.calls)


def test_a_group_that_ends_a_member_adds_its_parts_to_the_join() -> None:
    found = unfolded(chord_of([chain_of([a, group_of([b, c])]), d], d))
    (opening,) = found.openings
    assert opening.size == 3
    assert opening.shape is not None
    group = found.calls[0].embed.chain[0]  # type: ignore[union-attr,index]
    later = unfold(group, (1,), new_id=ids())
    assert not later.openings
    assert [call.options["group_index"] for call in (*later.calls, found.calls[1])] == [0, 1, 2]
    assert {call.options["group_id"] for call in later.calls} == {opening.group}
    assert all(call.embed is not None and call.embed.chord is not None for call in later.calls)


def test_a_frozen_signature_keeps_its_ids() -> None:
    frozen, result = freeze(chain_of([a, group_of([b, c]), d]), new_id=ids())
    assert freeze(frozen, new_id=ids()) == (frozen, result)
    assert unfold(frozen, new_id=lambda: "new").result == result


def test_unfolding_changes_nothing_that_it_was_given() -> None:
    signature = chain_of([group_of([a, chain_of([b, c])]), chord_of([a, b], group_of([c, d]))])
    before = repr(signature)
    unfolded(signature, 1, link=[a], link_error=[b], queue="q")
    assert repr(signature) == before


def test_options_of_a_chains_call_are_for_its_first_step() -> None:
    (call,) = unfolded(chain_of([a, b]), queue="q", countdown=3).calls
    assert call.options["queue"] == "q"
    assert call.embed is not None
    assert "queue" not in call.embed.chain[0]["options"]  # type: ignore[index]


def test_a_delay_of_a_chord_is_for_its_header() -> None:
    found = unfolded(chord_of([a, b], c), countdown=3, queue="q")
    assert [call.options["countdown"] for call in found.calls] == [3, 3]
    body = found.calls[0].embed.chord["options"]  # type: ignore[union-attr,index]
    assert (body["queue"], "countdown" in body) == ("q", False)


def test_errbacks_of_a_chain_are_with_every_step() -> None:
    (call,) = unfolded(chain_of([a, b]), link_error=[d]).calls
    assert call.embed is not None
    assert names(call.embed.errbacks) == ["d"]
    assert names(call.embed.chain[0]["options"]["link_error"]) == ["d"]  # type: ignore[index]


def test_sizes() -> None:
    assert size_of(chain_of([a, group_of([b, chord_of([a, b], c)])])) == 2
    assert size_of(chord_of([a, b], group_of([c, d, a]))) == 3


def test_an_empty_group_that_ends_a_member_is_still_a_part() -> None:
    found = unfolded(chord_of([chain_of([a, group_of([])]), b], c))
    assert found.openings[0].size == 2
    assert names(found.calls[0].embed.chain) == ["celery.accumulate"]  # type: ignore[union-attr]


def test_an_empty_chain_comes_to_nothing() -> None:
    assert unfolded(chain_of([])) == Unfolded([], [], None)
