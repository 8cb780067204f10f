"""What a type checker knows of tasks and results. Checked by mypy; run, it only shows that the code is real."""

from typing import Any, assert_type

from umbel import AsyncResult, Task, Umbel, shared_task


def test_types(app: Umbel) -> None:
    @app.task
    def plain(x: int, y: str = "") -> bool:
        return bool(x)

    @app.task(queue="q")
    def optioned(x: int) -> bool:
        return bool(x)

    @app.task(bind=True)
    def bound(self: Task[..., Any], x: int) -> bool:
        return bool(x)

    @app.task
    async def coroutine(x: int) -> bool:
        return bool(x)

    @app.task(bind=True)
    async def bound_coroutine(self: Task[..., Any], x: int) -> bool:
        return bool(x)

    @shared_task
    def shared(x: int) -> bool:
        return bool(x)

    assert_type(plain(1, "a"), bool)
    assert_type(plain.delay(1, y="a"), AsyncResult[bool])
    assert_type(optioned.delay(1), AsyncResult[bool])
    assert_type(bound.delay(1), AsyncResult[bool])
    assert_type(coroutine.delay(1), AsyncResult[bool])
    assert_type(bound_coroutine.delay(1), AsyncResult[bool])
    assert_type(shared.delay(1), AsyncResult[bool])
    assert_type(plain.using(countdown=3).delay(1), AsyncResult[bool])

    async def main() -> None:
        assert_type(await coroutine(1), bool)
        result = await plain.adelay(1)
        assert_type(result, AsyncResult[bool])
        assert_type(await result, bool)
        assert_type(result.get(), bool)
        assert_type(await plain.using(queue="q").adelay(1), AsyncResult[bool])
        plain.delay("1")  # type: ignore[arg-type]
        plain.using(queue="q").delay(1, z=2)  # type: ignore[call-arg]
        bound.delay()  # type: ignore[call-arg]
        coroutine.delay("1")  # type: ignore[arg-type]

    assert_type(app.conf.task_time_limit, float | None)
    assert_type(app.conf.task_acks_late, bool)
    assert_type(app.conf.imports, tuple[str, ...])
    del main
