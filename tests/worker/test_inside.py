"""What a running task does to its own workflow, in real workers: it adds to its chord, or gives way to others."""

from typing import Any

from tests.worker.fleet import Farm
from tests.worker.workflows import SUBJECTS
from umbel import chain, chord, group


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
