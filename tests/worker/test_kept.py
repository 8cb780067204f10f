"""What follows a task, kept beside the results: it is found, every end of it is told, and that it is gone is said."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.fleet import Farm, until
from tests.worker.test_workflows import chord_error, revive_all
from tests.worker.workflows import Sent, chain, chord, group, send, sig
from umbel.app.calling import keep
from umbel.core.record import Record
from umbel.core.resting import KEPT, READ
from umbel.core.unfolding import unfold

ENDED = ("first", "second", "third", "last")


@pytest.fixture
def farm(farm_with: Callable[..., Farm]) -> Farm:
    """A farm whose messages carry nothing of what follows."""
    return farm_with(task_max_rest=0)


def states(farm: Farm, sent: Sent, ids: tuple[str, ...] = ENDED) -> list[tuple[str, str]]:
    """State and kind of exception of each, once they have ended."""
    sent.ended()

    def found() -> list[Record]:
        records = [sent.record(id) for id in ids]
        return [record for record in records if record is not None]

    until(lambda: len(found()) == len(ids), what=f"records of {ids}; {farm.said()}")
    return [(record.status, record.result["exc_type"]) for record in found()]


def put(farm: Farm, record: Record) -> None:
    store = farm._app.store
    assert store is not None
    store.sync.write([record])


def four(first: Any) -> Any:
    """A chain, each link of which is kept by itself."""
    return chain(first, *(sig("add", 1, task_id=name) for name in ENDED[1:]))


def test_a_failure_ends_all_that_is_kept_behind_it(farm: Farm) -> None:
    sent = send(farm, four(sig("fail", "no", task_id="first")))
    farm.worker("-c", "1")
    assert states(farm, sent) == [("FAILURE", "ValueError")] * 4


def test_so_does_the_loss_of_a_process(farm: Farm) -> None:
    sent = send(farm, four(sig("dies_early", task_id="first")))
    farm.worker("-c", "1")
    assert states(farm, sent) == [("FAILURE", "WorkerLostError")] * 4


@pytest.mark.parametrize("elsewhere", [False, True])
def test_joins_behind_it_hear_of_it(farm_with: Callable[..., Farm], tmp_path: Any, elsewhere: bool) -> None:
    """They are told through the header of a chord that is itself a member, two blocks away."""
    store = {"backend": f"sqlite:///{tmp_path / 'elsewhere.db'}"} if elsewhere else {}
    farm = farm_with(task_max_rest=0, **store)
    member = chain(sig("fail", "no", task_id="guilty"), sig("add", 1), group(sig("add", 1), sig("add", 2)))
    inner = chord([member, sig("add", 1, 1)], sig("listed"))
    sent = send(farm, chord([inner, sig("add", 2, 2)], sig("listed", link_error=[sig("old_errback")])))
    farm.worker("-c", "2")
    assert sent.ended().result["exc_type"] == "ChordError"
    until(lambda: farm.lines("errback", "old", sent.id), what="the errback of the body that was kept")


def test_a_task_that_is_retried_or_replaced_goes_on_with_what_is_kept(farm: Farm) -> None:
    links = sig("gives_way", task_id="second"), sig("listed"), sig("listed")
    sent = send(farm, chain(sig("third_time", 5), *links))
    blocks = [f"second:rest:{n}" for n in range(3)]
    assert [(sent.record(block) or Record("")).status for block in blocks] == [KEPT] * 3
    farm.worker("-c", "2")
    assert sent.value() == [[[6, 7]]]
    assert [(sent.record(block) or Record("")).status for block in blocks] == [READ] * 3, (
        "kept like results from now on"
    )


def test_a_task_whose_rest_is_gone_is_not_run_and_says_so(farm: Farm) -> None:
    """It is a dead letter; sent again when the rest is there, the workflow goes on from it."""
    unfolded = unfold(
        chain(sig("noted", 1, "ran", task_id="first"), sig("add", 1, task_id="second")),
        new_id=lambda: "last",
        keep=keep(farm._app),
    )
    (block,) = unfolded.rests
    build = farm._app.client.build
    farm._app.client.publish([build(c.task, c.args, c.kwargs, c.options, c.embed) for c in unfolded.calls])
    sent = Sent(farm, unfolded.result)
    farm.worker("-c", "1")
    assert states(farm, sent, ("first", "second")) == [("FAILURE", "BackendGetMetaError")] * 2
    assert "kept with the results as 'second:rest:0', and is not there any more" in farm.said()
    assert farm.lines("start") == []
    put(farm, block)
    assert asyncio.run(revive_all(farm)) == 1
    assert until(lambda: (sent.record() or Record("")).result == 2, what=f"the end; {farm.said()}")


def test_a_body_that_is_gone_is_said_to_be(farm: Farm) -> None:
    """Whoever waits for it gets an error, and the members their results."""
    header = [sig("add", n, n, task_id=f"member-{n}") for n in range(3)]
    unfolded = unfold(chord(header, sig("noted", task_id="body")), new_id=lambda: "group", keep=keep(farm._app))
    build = farm._app.client.build
    farm._app.client.publish([build(c.task, c.args, c.kwargs, c.options, c.embed) for c in unfolded.calls])
    sent = Sent(farm, unfolded.result)
    farm.worker("-c", "1")
    record = sent.ended()
    assert record.result["exc_message"] == [
        "The body of chord group was kept with its results, and is not there any more"
    ]
    for n in range(3):
        member = Sent(farm, [[f"member-{n}", None], None])
        assert member.value() == 2 * n
    until(lambda: farm.depth().claimed == 0, what="nothing is claimed any more")


def test_a_reference_that_was_called_itself_goes_on_with_what_it_names(farm: Farm) -> None:
    """As after a link that somebody else has run, who knows nothing of it."""
    links = [sig("listed", "last", task_id="end"), sig("add", 1, task_id="before")]
    put(farm, Record(KEPT, links, None, [], None, "some:rest:0"))
    farm._app.send_task("umbel.rest", (41,), {"id": "some:rest:0"}, task_id="end")
    farm.worker("-c", "1")
    assert Sent(farm, [["end", None], None]).value() == [42, "last"]


def test_members_that_are_added_and_bodies_that_fail_work_as_ever(farm: Farm) -> None:
    enlarged = send(farm, chord([sig("enlarges", 1), sig("add", 1, 1)], sig("listed")))
    header = [sig("fail", "no", immutable=True, task_id="member"), sig("add", 1, 1)]
    failed = send(farm, chord(header, chain(sig("listed"), sig("listed"))))
    farm.worker("-c", "2")
    assert sorted(enlarged.value()[0]) == [1, 2, 101]
    assert chord_error(failed.ended(), "member", "ValueError('no')")
