"""Requests that a test pushes on a task, and what of Celery's worker a class cannot bring along."""

from typing import Any

import pytest

from umbel import Task, Umbel
from umbel.core.errors import UmbelWarning


def test_a_pushed_request_holds_until_it_is_popped(app: Umbel) -> None:
    @app.task(bind=True)
    def told(self: Any) -> list[Any]:
        request = self.request
        return [request.id, request.retries, request.headers, request.timelimit, request.called_directly]

    told.push_request({"id": "first", "headers": {"a": 1}}, retries=3, timelimit=(9, 8), called_directly=False)
    told.push_request(id="second")
    assert told.run() == ["second", 0, None, (None, None), True]
    assert told.pop_request().id == "second"
    assert told.run() == ["first", 3, {"a": 1}, (9, 8), False]
    assert told() == [None, 0, None, (None, None), True], "a call has a request of its own"
    told.pop_request()
    assert told.request_stack.top is None
    with pytest.raises(LookupError, match="no request here that was pushed"):
        told.pop_request()


def test_what_a_worker_put_there_is_not_popped(app: Umbel) -> None:
    @app.task(bind=True)
    def careless(self: Any) -> None:
        self.pop_request()

    with pytest.raises(LookupError, match="was pushed"):
        careless.apply(throw=True)


def test_a_task_is_registered_through_the_registry(app: Umbel) -> None:
    class Cube(Task[[int], int]):
        def run(self, x: int) -> int:
            return x**3

    cube = app.tasks.register(Cube())
    assert app.tasks[f"{__name__}.Cube"] is cube
    assert cube.app is app
    assert app.tasks.register(Cube).apply((2,)).get() == 8


@pytest.mark.parametrize("name", ["Request", "Strategy"])
def test_parts_of_celerys_worker_have_no_effect_and_say_so(name: str) -> None:
    with pytest.warns(UmbelWarning, match=rf"Mine.{name} has no effect: it is a part of Celery's own worker"):
        type("Mine", (Task,), {name: "proj:Part"})
