"""A workflow as one thing, with real workers: looked at while it runs, run again from what failed, cancelled whole."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.worker.fleet import Farm, until
from umbel import AsyncResult, chain, chord, group, states
from umbel.core.tree import Tree


class Shop:
    """Signatures of subjects, bound to the farm's app."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.app = farm._app
        self.gate = str(farm.gate())

    def sig(self, name: str, *args: Any, immutable: bool = False) -> Any:
        return self.app.signature(f"tests.worker.subjects.{name}", args, immutable=immutable)

    def noted(self, *args: Any) -> Any:
        """Notes its start under its last argument, and returns the one before, or what comes from the task before."""
        return self.sig("noted", *args, immutable=len(args) > 1)

    def shut(self, *args: Any) -> Any:
        """The same, but fails until the gate is there."""
        return self.sig("if_open", *args, self.gate, immutable=len(args) > 1)

    def starts(self) -> dict[str, int]:
        return dict(Counter(line.words[1] for line in self.farm.lines("start")))


@pytest.fixture
def shop(farm: Farm) -> Shop:
    return Shop(farm)


def ended(result: "AsyncResult[Any]") -> str:
    until(result.ready, what=f"the end of {result.id}")
    return result.state


def again(result: "AsyncResult[Any]") -> "AsyncResult[Any]":
    """A new handle: the old one has seen the end."""
    return result.app.AsyncResult(result.id)


def seen(result: Any, counts: dict[str, int]) -> Tree:
    """The tree, once so many of its tasks are so far."""
    found: list[Tree] = []

    def look() -> bool:
        found[:] = [result.tree()]
        return found[0].counts() == counts

    until(look, what=f"{counts} of {result}")
    return found[0]


# Looking --------------------------------------------------------------------------------------------------------------


def test_a_workflow_is_seen_whole_while_it_runs_from_each_of_its_tasks(shop: Shop) -> None:
    header = [shop.noted(1, "one"), shop.sig("hold", "two", shop.gate, immutable=True), shop.noted(3, "three")]
    result = chain(shop.noted(0, "zero"), chord(header, shop.noted("body")), shop.noted("last")).delay()
    tree = result.tree()
    assert tree.name == "noted | chord(noted, hold, noted, noted | noted)"
    assert tree.counts() == {"sent": 1, "not called": 5}
    shop.farm.worker("-c", "2")
    shop.farm.started("two")
    tree = seen(result, {"succeeded": 3, "sent": 1, "not called": 2})
    assert (tree.phase, tree.at is not None, tree.notes) == ("running", True, [])
    (zero, chord_) = tree.root.members
    assert (zero.phase, zero.call, zero.done is not None) == ("succeeded", "(0, 'zero')", True)
    assert chord_.join is not None
    assert (chord_.join.size, chord_.join.arrived, chord_.join.failed) == (3, 2, 0)
    assert [node.phase for node in chord_.members] == ["succeeded", "sent", "succeeded"]
    assert chord_.body is not None
    assert chord_.body.phase == "not called"
    for node in tree.tasks():
        assert shop.app.workflows.show(str(node.id)).id == result.id
    assert [(one.id, one.size, one.phase) for one in shop.app.workflows] == [(result.id, 6, "running")]
    shop.farm.gate().touch()
    assert result.get(timeout=20) == [1, "two", 3]
    assert result.tree().phase == "succeeded"
    assert [one.phase for one in shop.app.workflows] == ["succeeded"]


def test_what_tasks_call_of_their_own_accord_stands_under_them(shop: Shop) -> None:
    shop.farm.gate().touch()
    shop.farm.worker("-c", "1")
    result = group(shop.sig("calls_when_open", "a", shop.gate), shop.noted(1, "b").set(link=shop.noted("c"))).delay()
    assert result.get(timeout=20) == ["a", 1]
    tree = seen(result, {"succeeded": 4})
    caller, linked = tree.root.members
    assert [(one.how, one.name) for one in caller.then] == [("child", "?")]
    assert [(one.how, one.name) for one in linked.then] == [("callback", "tests.worker.subjects.noted")]
    assert [shop.app.workflows.show(str(one.id)).id for one in (*linked.then, *caller.then)] == [result.id] * 2
    plain = shop.noted(1, "d").delay()
    assert plain.get(timeout=20) == 1
    alone = plain.tree()
    assert (alone.root.kind, alone.phase, len(alone.notes)) == ("task", "succeeded", 2)


# Running again --------------------------------------------------------------------------------------------------------


def sent(shop: Shop) -> Iterator[tuple[Any, Any, dict[str, int]]]:
    """Workflows in which something fails: the result, its value in the end, how often what starts by then."""
    n = shop.noted
    errbacks = [shop.sig("old_errback"), shop.sig("new_errback"), shop.sig("bound_errback")]
    header = [n(1, "a1"), shop.shut(2, "a2"), chain(n(3, "a3"), n("a4"))]
    whole = chord(header, n("a-body").set(link_error=errbacks))
    yield whole.delay(), [1, 2, 3], {"a1": 1, "a2": 2, "a3": 1, "a4": 1, "a-body": 1}
    yield chain(n(1, "b1"), shop.shut("b2"), n("b3")).delay(), 1, {"b1": 1, "b2": 2, "b3": 1}
    yield (
        chain(n(1, "c1"), group(n("c2"), shop.shut("c3"), shop.shut("c4")), n("c5")).delay(),
        [1, 1, 1],
        {"c1": 1, "c2": 1, "c3": 2, "c4": 2, "c5": 1},
    )
    inner = chord([n(1, "d1"), chain(n(2, "d2"), shop.shut("d3"))], n("d4"))
    yield (
        chain(chord([inner, n(5, "d5")], n("d6")), n("d7")).delay(),
        [[1, 2], 5],
        {"d1": 1, "d2": 1, "d3": 2, "d4": 1, "d5": 1, "d6": 1, "d7": 1},
    )
    # What ran just before its process died may run again: so nothing does.
    dying = chord([shop.sig("survives_if_open", 2, "e1", shop.gate), n(1, "e2")], n("e3"))
    yield dying.delay(), [2, 1], {"e1": 2, "e2": 1, "e3": 1}
    yield chord([n(1, "f1"), n(2, "f2")], shop.shut("f3")).delay(), [1, 2], {"f1": 1, "f2": 1, "f3": 2}


@pytest.mark.parametrize("letters", [True, False], ids=["from dead letters", "from its plan"])
def test_what_failed_runs_again_and_what_succeeded_does_not(farm_with: Callable[..., Farm], letters: bool) -> None:
    shop = Shop(farm_with(task_max_deliveries=1, **({} if letters else {"task_keep_failed": 0})))
    shop.farm.worker("-c", "1")
    found = []
    for one in sent(shop):
        assert ended(one[0]) == states.FAILURE
        found.append(one)
    chord_id = found[0][0].id
    until(lambda: len(shop.farm.lines("errback")) >= 3, what="three errbacks")
    shop.farm.gate().touch()
    workflows = shop.app.workflows
    for result, _, counts in found:
        done = workflows.retry(result.id)
        assert (len(done.again), done.hopeless) == (sum(count == 2 for count in counts.values()), []), counts
        assert workflows.retry(result.id).again == [], "it is under way already"
    for result, value, _ in found:
        assert again(result).get(timeout=20) == value
    assert shop.starts() == {key: count for _, _, counts in found for key, count in counts.items()}
    errbacks = shop.farm.lines("errback")
    assert sorted(line.words[1] for line in errbacks) == ["bound", "new", "old"], "the first time, and never again"
    assert shop.farm.lines("errback", "old", chord_id)
    assert shop.farm.lines("errback", "bound", chord_id, chord_id)
    assert shop.farm.lines("errback", "new", chord_id, "ChordError")
    assert {workflows.show(result.id).phase for result, _, _ in found} == {"succeeded"}
    assert shop.farm.depth().dead == 0


def test_what_fails_again_is_reported_again_and_may_be_retried_until_it_is_well(farm_with: Callable[..., Farm]) -> None:
    """Also where the body is kept by its join, and what stands for it in a member's message has to find it."""
    shop = Shop(farm_with(task_max_rest=0))
    shop.farm.worker("-c", "2")
    header = [shop.noted(1, "a1"), shop.shut(2, "a2"), shop.shut(3, "a3")]
    body = chain(shop.noted("a4"), shop.noted("a5"), shop.noted("a6").set(link_error=[shop.sig("old_errback")]))
    result = chord(header, body).delay()
    assert ended(result) == states.FAILURE
    for times in (2, 3):
        assert len(shop.app.workflows.retry(result.id).again) == 2
        assert ended(again(result)) == states.FAILURE
        assert shop.starts() == {"a1": 1, "a2": times, "a3": times}
    shop.farm.gate().touch()
    assert len(shop.app.workflows.retry(result.id).again) == 2
    assert again(result).get(timeout=20) == [1, 2, 3]
    assert shop.starts() == {"a1": 1, "a2": 4, "a3": 4, "a4": 1, "a5": 1, "a6": 1}


@pytest.mark.parametrize("most", [None, 0])
def test_a_task_that_was_replaced_goes_on_where_its_replacement_failed(
    farm_with: Callable[..., Farm], most: int | None
) -> None:
    """What follows is in the letter of the replacement, or kept where that says."""
    shop = Shop(farm_with(task_max_rest=most))
    shop.farm.worker("-c", "1")
    replaced = shop.sig("replaced_by_a_chord", "r", shop.gate)
    result = chord([shop.noted(0, "a"), chain(replaced, shop.noted("b"))], shop.noted("c")).delay()
    assert ended(result) == states.FAILURE
    shop.farm.gate().touch()
    done = shop.app.workflows.retry(result.id)
    assert len(done.again) == 1
    assert again(result).get(timeout=20) == [0, [1, 2]]
    assert shop.starts() == {"a": 1, "r": 1, "r-1": 1, "r-2": 2, "r-body": 1, "b": 1, "c": 1}


# Cancelling -----------------------------------------------------------------------------------------------------------


def test_nothing_of_a_cancelled_workflow_runs_any_more_and_it_can_be_taken_up_again(shop: Shop) -> None:
    shop.farm.worker("-c", "1")
    running = shop.sig("calls_when_open", "a", shop.gate)
    result = chord([running, shop.noted(1, "b"), chain(shop.noted(2, "c"), shop.noted("d"))], shop.noted("e")).delay()
    shop.farm.started("a")
    until(
        lambda: shop.farm.depth().ready == 2, what="what waits behind it given back: a claim that follows heeds marks"
    )
    assert len(shop.app.workflows.revoke(result.id).revoked) == 5
    shop.farm.gate().touch()
    assert ended(result) == states.FAILURE
    tree = seen(result, {"succeeded": 1, "revoked": 3, "never ran": 2})
    (child,) = tree.root.members[0].then
    assert (child.how, child.phase) == ("child", "revoked"), "what the running one called after that"
    other = shop.noted(1, "other").delay()
    assert other.get(timeout=20) == 1
    assert shop.starts() == {"a": 1, "other": 1}
    assert len(shop.app.workflows.retry(result.id).again) == 2
    assert again(result).get(timeout=20) == ["a", 1, 2]


def test_what_a_body_calls_after_its_workflow_was_cancelled_is_cancelled_whichever_member_was_last(shop: Shop) -> None:
    shop.farm.worker("-c", "2")
    first = str(shop.farm.gate("first"))
    header = [shop.sig("hold", "a", first, immutable=True), shop.noted(1, "b")]
    result = chord(header, shop.sig("calls_when_open", "body", shop.gate, immutable=True)).delay()
    assert result.parent[1].get(timeout=20) == 1
    shop.farm.gate("first").touch()
    shop.farm.started("body")
    assert shop.app.workflows.revoke(result.id).revoked == [result.id]
    shop.farm.gate().touch()
    assert result.get(timeout=20) == "body"
    (child,) = result.children or []
    assert ended(child) == states.REVOKED
    assert shop.starts() == {"a": 1, "b": 1, "body": 1}


def test_terminating_a_workflow_ends_what_runs(shop: Shop) -> None:
    shop.farm.worker("-c", "1")
    result = chain(shop.sig("hold", "a", shop.gate), shop.noted("b")).delay()
    shop.farm.started("a")
    shop.app.workflows.revoke(result.id, terminate=True)
    assert ended(result) == ended(result.parent) == states.REVOKED
    assert result.tree().phase == "revoked"
    assert shop.starts() == {"a": 1}
