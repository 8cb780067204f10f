"""What is run again after a failure, and what is taken back for that: by table, without a broker."""

from typing import Any

from tests.core.test_workflow import kept
from umbel import Umbel, chain, chord
from umbel.core.joining import Reopening
from umbel.core.mending import Letter, Mending, mend, unexplained, unfinished
from umbel.core.message import Embed
from umbel.core.workflow import Play, play

APP = Umbel("mended", broker="memory://", backend="memory://", set_as_current=False)


def sig(id: str, **options: Any) -> Any:
    return APP.signature("t.task", (id,), task_id=id, **options)


def played(signature: Any) -> Play:
    workflow = kept(signature)
    return play(workflow, dict.fromkeys(play(workflow, {}).steps, 1))


CHAIN = played(chain(sig("a", countdown=60), sig("b", expires=60), sig("c"), app=APP))
CHORD = played(chain(chord([sig("a"), chain(sig("b"), sig("c"))], sig("d"), app=APP), sig("e"), app=APP))
(GROUP,) = CHORD.joins


def status(**states: str) -> dict[str, str]:
    words = {"ok": "SUCCESS", "bad": "FAILURE", "off": "REVOKED", "on": "STARTED"}
    return {id: words[state] for id, state in states.items()}


def told(mending: Mending) -> tuple[list[str], list[str], list[str], list[str]]:
    return mending.revive, [one.options["task_id"] for one in mending.call], mending.reset, mending.hopeless


def letter(play: Play, id: str, *, group: str | None = None) -> Letter:
    return Letter(f"letter-{id}", id, group, play.steps[id].calling.embed or Embed())


def test_nothing_has_failed() -> None:
    for states in (status(), status(a="ok", b="on"), status(a="ok", b="ok", c="ok")):
        assert mend(CHAIN, states, [], whole=True) == Mending()


def test_the_task_that_failed_is_called_anew_and_what_follows_waits_again() -> None:
    states = status(a="ok", b="bad", c="bad")
    mending = mend(CHAIN, states, [], whole=True)
    assert told(mending) == ([], ["b"], ["b", "c"], [])
    assert mending.call[0].args == (1, "b")
    assert "expires" not in mending.call[0].options
    assert told(mend(CHAIN, status(a="off", b="off"), [], whole=True)) == ([], ["a"], ["a", "b"], [])
    assert unexplained(CHAIN, states, [])


def test_its_letter_is_sent_again_if_there_is_one() -> None:
    states = status(a="ok", b="bad", c="bad")
    assert told(mend(CHAIN, states, [letter(CHAIN, "b")], whole=False)) == (["letter-b"], [], ["b", "c"], [])
    assert not unexplained(CHAIN, states, [letter(CHAIN, "b")])
    taken_back = status(a="ok")
    assert told(mend(CHAIN, taken_back, [letter(CHAIN, "b")], whole=True)) == (["letter-b"], [], [], [])
    well = status(a="ok", b="ok")
    assert mend(CHAIN, well, [letter(CHAIN, "b")], whole=True) == Mending()


def test_of_a_task_with_several_letters_the_newest_is_sent() -> None:
    letters = [letter(CHAIN, "b")._replace(id=id) for id in ("new", "old")]
    assert mend(CHAIN, status(b="bad"), letters, whole=True).revive == ["new"]


def test_what_cannot_be_run_again_is_named() -> None:
    assert told(mend(CHAIN, status(a="ok", b="bad", c="bad"), [], whole=False)) == ([], [], [], ["b"])
    assert told(mend(CHAIN, status(b="bad", c="bad"), [], whole=True)) == ([], [], [], ["b"])  # what did a return?


def test_a_chord_waits_again_for_the_member_that_failed() -> None:
    states = status(a="ok", b="bad", c="bad", d="bad", e="bad")
    mending = mend(CHORD, states, [], whole=True)
    assert told(mending) == ([], ["b"], ["b", "c", "d", "e"], [])
    assert mending.reopen == [Reopening(GROUP, 2)]
    again = mend(CHORD, states, [letter(CHORD, "b")], whole=True)
    assert (again.revive, again.call, again.reset, again.reopen) == (["letter-b"], [], mending.reset, mending.reopen)


def test_a_body_that_failed_by_itself_needs_no_join() -> None:
    mending = mend(CHORD, status(a="ok", b="ok", c="ok", d="bad", e="bad"), [], whole=True)
    assert (told(mending), mending.reopen) == (([], ["d"], ["d", "e"], []), [])
    assert mending.call[0].args == ([1, 1], "d")


def test_a_letter_tells_of_a_chord_that_nobody_else_knows() -> None:
    """Task b put a chord in its place, with x and y as members: y failed, and so did b, under its own id."""
    body = {"task": "t.body", "options": {"task_id": "b", "group_id": None, "chain": [sig("c")]}}
    hidden = Letter("letter-y", "y", "inner", Embed(chord=body))
    states = status(a="ok", b="bad", c="bad", y="bad")
    assert unexplained(CHAIN, states, [])
    mending = mend(CHAIN, states, [hidden], whole=True)
    assert told(mending) == (["letter-y"], [], ["b", "c", "y"], [])
    assert mending.reopen == [Reopening("inner")]


def test_what_has_not_ended() -> None:
    assert list(unfinished(CHAIN, status(a="ok", b="on"))) == ["b", "c"]
    assert list(unfinished(CHAIN, status(a="ok", b="bad", c="off"))) == []
