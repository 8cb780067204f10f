"""The rest of a workflow beside its messages: what they carry is bounded, and nothing of it is missing."""

import itertools
import json
from typing import Any

import pytest

from umbel.core.message import Embed
from umbel.core.record import Record
from umbel.core.resting import Keep, block_of, end_of, is_kept, split
from umbel.core.signature import chain_of, chord_of, group_of, make
from umbel.core.unfolding import Unfolded, unfold


def encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def links(count: int) -> list[Any]:
    """A rest, the last link first."""
    return [make(f"link{n}", options={"task_id": f"id{n}"}) for n in range(count, 0, -1)]


def read(chain: list[Any], records: dict[str, Record]) -> list[str]:
    """The names of all links, the next one first, as they come up block by block."""
    found: list[str] = []
    while chain:
        block = block_of(chain)
        if block is None:
            found.append(chain[-1]["task"])
            chain = chain[:-1]
        else:
            assert len(chain) == 1, "a reference has nothing behind it"
            chain = records[block].result
    return found


@pytest.mark.parametrize("above", [0, 1, 130, 500, 1000, 100_000])
@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_links_come_up_in_order_and_no_block_is_over_the_limit(above: int, count: int) -> None:
    rest = links(count)
    chain, records = split(rest, Keep(above, encode))
    assert read(chain, {one.task_id: one for one in records}) == [f"link{n}" for n in range(1, count + 1)]
    for held in (chain, *(record.result for record in records)):
        own = [one for one in held if not is_kept(one)]
        assert sum(len(encode(one)) for one in own) <= above or (len(own) == 1 and held is not chain)
    assert (records == []) == (sum(len(encode(one)) for one in rest) <= above)


def test_a_reference_stands_at_the_place_of_the_last_link() -> None:
    """Whoever fails before it is told that the last task will never run."""
    rest = links(20)
    rest[0]["options"].update(group_id="g", group_index=3, chord={"task": "body"})
    chain, _ = split(rest, Keep(500, encode))
    assert chain[0]["options"] == {"task_id": "id20", "group_id": "g", "group_index": 3, "chord": {"task": "body"}}


def test_what_cannot_be_encoded_stays_in_the_message() -> None:
    rest = links(20)
    assert split(rest, Keep(0, lambda value: b"")) == (rest, [])


def test_blocks_have_the_same_ids_again() -> None:
    first, again = (split(links(20), Keep(500, encode))[1] for _ in range(2))
    assert [one.task_id for one in first] == [one.task_id for one in again]


def test_the_end_of_a_workflow_is_its_last_task() -> None:
    a, b = (make(name, options={"task_id": name}) for name in "ab")
    assert end_of(chain_of([a, chord_of([a, a], chain_of([a, group_of([a, b])]))])) == "b"


# What is sent ---------------------------------------------------------------------------------------------------------


def whole(signature: Any, above: int | None) -> tuple[list[Unfolded], dict[str, Record]]:
    """Everything that comes of it, in the order in which it is called."""
    keep = None if above is None else Keep(above, encode)
    numbers = itertools.count()
    records: dict[str, Record] = {}
    arrived: dict[str, int] = {}
    openings: dict[str, Any] = {}
    done: list[Unfolded] = []

    def call(one: Any, args: tuple[Any, ...], **options: Any) -> None:
        unfolded = unfold(one, args, options=options, new_id=lambda: f"{next(numbers):036}", keep=keep)
        done.append(unfolded)
        records.update({one.task_id: one for one in unfolded.rests})
        openings.update({one.group: one for one in unfolded.openings})
        for calling in unfolded.calls:
            embed = calling.embed or Embed()
            if (block := block_of(embed.chain)) is not None:
                embed.chain = records[block].result
            if embed.chain:
                call(embed.chain[-1], ("value",), chain=embed.chain[:-1])
            if embed.chord is not None:
                group = calling.options["group_id"]
                arrived[group] = arrived.get(group, 0) + 1
                if arrived[group] == openings[group].size:
                    kept = openings[group].body
                    call(json.loads(kept) if is_kept(embed.chord) else embed.chord, (["value"],))

    call(signature, ())
    return done, records


def size(signature: Any, above: int | None) -> tuple[int, int]:
    """How many tasks it comes to, and the bytes of all that is sent and kept for them beyond their arguments."""
    done, _ = whole(signature, above)
    calls = [one for unfolded in done for one in unfolded.calls]
    embeds = sum(len(encode(vars_of(one.embed))) for one in calls if one.embed is not None)
    kept = sum(len(one.body) for unfolded in done for one in unfolded.openings)
    rests = sum(len(encode(one.result)) for unfolded in done for one in unfolded.rests)
    return len(calls), embeds + kept + rests


def vars_of(embed: Embed) -> list[Any]:
    return [embed.callbacks, embed.errbacks, embed.chain, embed.chord]


def chords(count: int, width: int = 10) -> Any:
    """So many chords in a chain."""
    return chain_of([chord_of([make("member", [n]) for n in range(width)], make("body")) for _ in range(count)])


def long_chain(count: int) -> Any:
    return chain_of([make("step", [n]) for n in range(count)])


@pytest.mark.parametrize("make_one", [chords, long_chain])
def test_what_a_workflow_sends_grows_with_its_tasks_and_no_faster(make_one: Any) -> None:
    (few, small), (many, large) = (size(make_one(count), 4096) for count in (30, 120))
    assert many == 4 * few
    assert large <= 4.4 * small
    (_, small), (_, large) = (size(make_one(count), None) for count in (5, 20))
    assert large > 10 * small, "without, it does"


def test_what_a_member_carries_does_not_grow_with_its_siblings() -> None:
    embeds = []
    for width in (30, 300):
        done, _ = whole(chords(3, width), 4096)
        embeds.append(max(len(encode(vars_of(one.embed))) for one in done[0].calls if one.embed is not None))
    assert embeds[0] == embeds[1] < 130


def test_a_small_chord_is_sent_as_celery_sends_it() -> None:
    done, records = whole(chords(1, 3), 4096)
    assert records == {}
    assert [one.body for one in done[0].openings] == [b""]
    assert all(one.embed is not None and not is_kept(one.embed.chord) for one in done[0].calls)
