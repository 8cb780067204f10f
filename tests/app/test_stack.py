"""Requests that a test pushes on a task, and what of Celery's worker a class cannot bring along."""

from typing import Any

import pytest

from umbel import Task, Umbel
from umbel.app import request
from umbel.core.errors import UmbelWarning
from umbel.core.message import Headers, Message, Properties


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


class InContext(Task[..., Any]):
    """As frameworks have it: their context around the body."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(*args, **kwargs)


@pytest.mark.parametrize("base", [Task, InContext])
def test_a_body_that_another_task_calls_has_no_part_in_its_request(app: Umbel, base: type[Task[..., Any]]) -> None:
    @app.task(bind=True, base=base)
    def inner(self: Any, x: int) -> None:
        try:
            raise KeyError(x)
        except KeyError as error:
            self.retry(exc=error)

    @app.task(bind=True, base=base)
    def outer(self: Any, number: int) -> list[Any]:
        seen = [inner.request.id, inner.request.called_directly, self.request.args]
        for body in (inner, inner.run):
            try:
                body(5)
            except BaseException as error:  # noqa: BLE001  a Retry of the wrong task is none of Exception
                seen.append(repr(error))
        return [*seen, self.request.publish]

    assert outer.apply((3,)).get() == [None, True, (3,), "KeyError(5)", "KeyError(5)", []]


class Around(Task[..., Any]):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs)


def test_a_task_has_its_request_under_each_of_its_names(app: Umbel) -> None:
    @app.task(bind=True, base=Around)
    def told(self: Any) -> Any:
        return self.request.id

    app.tasks["its.old.name"] = told
    message = Message(Headers("its.old.name", "one"), Properties("one"), b"")
    token = request.push(request.Context(message, called_directly=False))
    try:
        assert told() == "one"
    finally:
        request.pop(token)
