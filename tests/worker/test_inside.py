"""What a running task does to its own workflow, in real workers: it adds to its chord, or gives way to others."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.fleet import Farm, until
from tests.worker.workflows import SUBJECTS
from umbel import chain, chord, group
from umbel.core.errors import ChordError


def test_tasks_change_the_workflow_that_they_are_in(farm: Farm) -> None:
    app = farm._app
    farm.worker("-c", "2")

    def s(name: str, *args: object) -> Any:
        return app.signature(SUBJECTS + name, args)

    larger = chord([s("enlarges", 1), s("add", 2, 2)], s("listed"), app=app)()
    replaced = chord([s("gives_way", 1), s("add", 2, 2)], s("listed"), app=app)()
    in_chain = chain(s("gives_way", 1), s("listed"), s("listed", "x"), app=app).delay()
    alone = group(s("gives_way", 5), s("add", 0, 0), app=app).delay()
    (members,) = larger.get(timeout=30)
    assert sorted(members) == [1, 4, 101]
    assert replaced.get(timeout=30) == [[[2, 3], 4]]
    assert in_chain.get(timeout=30) == [[[2, 3]], "x"]
    assert alone.get(timeout=30) == [[6, 7], 0]


def test_whole_groups_are_added_to_a_chord_and_to_one_of_any_form(farm: Farm) -> None:
    app = farm._app
    farm.worker("-c", "2")

    def s(name: str, *args: object) -> Any:
        return app.signature(SUBJECTS + name, args)

    two = group(s("add", 1, 1), s("add", 2, 2), app=app)
    more = group(s("add", 1), s("add", 2), app=app)
    of_two = chord([s("enlarges_by", two), s("add", 0, 1)], s("listed"), app=app)()
    at_the_end = chord(
        [s("enlarges_by", chain(s("add", 1, 0), group(s("add", 1), s("add", 3)))), s("add", 0, 1)], s("listed")
    )()
    nested = chord([s("enlarges_by", s("add", 5, 5)), chain(s("add", 1, 1), more)], s("listed"), app=app)()
    failing = chord([s("enlarges_by", s("fail", "no")), chain(s("add", 1, 1), more)], s("listed"), app=app)()
    assert sorted(of_two.get(timeout=30)[0]) == [0, 1, 2, 4]
    assert sorted(at_the_end.get(timeout=30)[0]) == [0, 1, 2, 4]
    assert nested.get(timeout=30) == [[0, [3, 4], 10]]
    with pytest.raises(ChordError, match="no"):
        failing.get(timeout=30)


def test_errbacks_of_a_chord_hear_of_its_members_by_setting(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(task_allow_error_cb_on_chord_header=True)
    app = farm._app
    whole = chord([app.signature(SUBJECTS + "fail", ("no",))], app.signature(SUBJECTS + "listed"), app=app)
    whole.link_error(app.signature(SUBJECTS + "old_errback"))
    whole.link_error(app.signature(SUBJECTS + "new_errback"))
    result = whole()
    farm.worker("-c", "1")
    until(lambda: len(farm.lines("errback")) >= 4, what="both of both")
    for id in (result.id, result.parent[0].id):
        assert farm.lines("errback", "old", id)
        assert farm.lines("errback", "new", id)
