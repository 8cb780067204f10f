"""How a workflow that failed goes on: what is run again, and what is taken back for that. Pure.

What failed by itself is run again: from its dead letter, which is the message as it was, or else as a call made anew
from the workflow's signature and the values of what ran before it. What failed because of it follows by the same rules
as the first time; its failures are taken back, and the joins among it wait again for the parts that failed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from umbel.core.following import Ending, endings, endings_of_chain
from umbel.core.joining import Reopening
from umbel.core.message import Embed
from umbel.core.signature import Signature
from umbel.core.states import PROPAGATE_STATES, SUCCESS
from umbel.core.unfolding import Calling
from umbel.core.workflow import Play

_ONCE = ("countdown", "eta", "expires")
"""Options of a call that are about its first time."""


class Letter(NamedTuple):
    """A dead letter: its id, whose it is, the join that waits for it (``group``), and what was to follow."""

    id: str
    task_id: str
    group: str | None
    embed: Embed


class Mending(msgspec.Struct):
    """What to do. ``again``: the tasks that run again, by ``revive`` (letters) or by ``call``.

    ``reset``: tasks whose failure is taken back. ``hopeless``: those that failed and cannot be run again, because
    neither their message is kept nor what their arguments would be; what waits for them fails again.
    """

    again: list[str] = []
    revive: list[str] = []
    call: list[Calling] = []
    reset: list[str] = []
    reopen: list[Reopening] = []
    hopeless: list[str] = []


def mend(play: Play, status: Mapping[str, str], letters: Sequence[Letter], *, whole: bool) -> Mending:
    """Decide. ``status``: the states of all tasks there are records of. ``whole``: the arguments are kept."""
    letters = list({one.task_id: one for one in reversed(letters) if status.get(one.task_id) != SUCCESS}.values())
    by_letter = [one.task_id for one in letters]
    led, groups = _led_by(letters)
    explained = led | play.following(by_letter) | set(by_letter)
    causes = [id for id in play.steps if id not in explained and _failed_itself(play, status, id)]
    made = [id for id in causes if whole and all(status.get(one) == SUCCESS for one in play.steps[id].after)]
    again = [*by_letter, *made]
    behind = explained | set(made) | play.following(made)
    known = {group: join for group, join in play.joins.items() if not behind.isdisjoint(join.members)}
    return Mending(
        again,
        [one.id for one in letters],
        [_anew(play.steps[id].calling) for id in made],
        sorted(id for id in behind if status.get(id) in PROPAGATE_STATES),
        [
            *(Reopening(group, join.opening.size, join.opening.shape) for group, join in known.items()),
            *(Reopening(group) for group in sorted(groups - play.joins.keys())),
        ],
        [id for id in causes if id not in made],
    )


def unexplained(play: Play, status: Mapping[str, str], letters: Sequence[Letter]) -> bool:
    """Whether something failed by itself and has no letter: then those that it brought about may."""
    found = mend(play, status, letters, whole=True)
    return bool(found.call or found.hopeless)


def _failed_itself(play: Play, status: Mapping[str, str], id: str) -> bool:
    """Whether it failed, and not because something before it did."""
    before = (status.get(one) for one in play.steps[id].after)
    return status.get(id) in PROPAGATE_STATES and not any(state in PROPAGATE_STATES for state in before)


def _led_by(letters: Iterable[Letter]) -> tuple[set[str], set[str]]:
    """The tasks that failed because these did, and the joins that heard of it."""
    ids, groups = set[str](), set[str]()
    for letter in letters:
        if letter.embed.chord and letter.group:
            groups.add(letter.group)
            _follow(letter.embed.chord, ids, groups)
        for end in endings_of_chain(letter.embed.chain):
            _heard(end, ids, groups)
    return ids, groups


def _follow(body: Signature, ids: set[str], groups: set[str]) -> None:
    for end in endings(body):
        _heard(end, ids, groups)


def _heard(end: Ending, ids: set[str], groups: set[str]) -> None:
    if end.task_id:
        ids.add(end.task_id)
    if end.chord and end.group and end.group not in groups:
        groups.add(end.group)
        _follow(end.chord, ids, groups)


def _anew(calling: Calling) -> Calling:
    """A call that is made again, now."""
    options = {name: value for name, value in calling.options.items() if name not in _ONCE}
    return msgspec.structs.replace(calling, options=options)


def unfinished(play: Play, status: Mapping[str, str]) -> Iterator[str]:
    """The tasks that have not ended."""
    return (id for id in play.steps if status.get(id) not in (SUCCESS, *PROPAGATE_STATES))
