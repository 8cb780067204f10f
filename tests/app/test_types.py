"""What a type checker knows of tasks and results: right calls pass, and every ``type: ignore`` is a call that must not.

Checked by mypy and by pyright, both of which refuse an ignore that is not needed; run, it only shows that the code is
real.
"""

from typing import Any, assert_type

from umbel import AsyncResult, Signature, Task, Umbel, shared_task


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

    @app.task(bind=True, max_retries=5)
    def again(self: Task[[int], bool], x: int) -> bool:
        raise self.retry(countdown=x)

    @shared_task
    def shared(x: int) -> bool:
        return bool(x)

    @shared_task(bind=True, queue="q")
    def shared_bound(self: Task[..., Any], x: int) -> bool:
        return bool(x)

    class ByClass(Task[[int], bool]):
        def run(self, x: int) -> bool:
            return bool(x)

    by_class = app.register_task(ByClass)

    assert_type(plain(1, "a"), bool)
    assert_type(plain.delay(1, y="a"), AsyncResult[bool])
    assert_type(optioned.delay(1), AsyncResult[bool])
    assert_type(bound.delay(1), AsyncResult[bool])
    assert_type(coroutine.delay(1), AsyncResult[bool])
    assert_type(bound_coroutine.delay(1), AsyncResult[bool])
    assert_type(again.delay(1), AsyncResult[bool])
    assert_type(shared.delay(1), AsyncResult[bool])
    assert_type(shared_bound.delay(1), AsyncResult[bool])
    assert_type(by_class, ByClass)
    assert_type(by_class.delay(1), AsyncResult[bool])
    assert_type(plain.apply_async((1,), {"y": "a"}, countdown=3), AsyncResult[bool])
    assert_type(app.send_task("by.name", [1]), AsyncResult[Any])
    assert_type(plain.using(countdown=3).delay(1), AsyncResult[bool])

    assert_type(plain.s(1), Signature[bool])
    assert_type(plain.s(1, y="a"), Signature[bool])
    assert_type(plain.s("a"), Signature[bool])
    assert_type(plain.s(y="a"), Signature[bool])
    assert_type(plain.s(), Signature[bool])
    assert_type(plain.si(1, "a"), Signature[bool])
    assert_type(bound.s(1), Signature[bool])
    assert_type(coroutine.s(1), Signature[bool])
    assert_type(shared.s(), Signature[bool])
    assert_type(by_class.s(1), Signature[bool])

    async def main() -> None:
        assert_type(await coroutine(1), bool)
        result = await plain.adelay(1)
        assert_type(result, AsyncResult[bool])
        assert_type(await result, bool)
        assert_type(result.get(), bool)
        assert_type(await plain.using(queue="q").adelay(1), AsyncResult[bool])

    async def wrong() -> None:
        plain("1")  # type: ignore[arg-type]
        plain.delay("1")  # type: ignore[arg-type]
        plain.delay()  # type: ignore[call-arg]
        plain.delay(1, countdown=3)  # type: ignore[call-arg]
        await plain.adelay("1")  # type: ignore[arg-type]
        plain.using(queue="q").delay(1, z=2)  # type: ignore[call-arg]
        plain.using(queue="q").delay("1")  # type: ignore[arg-type]
        await plain.using(queue="q").adelay(1, y=2)  # type: ignore[arg-type]
        plain.using(queue="q").using(countdown=3).delay("1")  # type: ignore[arg-type]
        optioned.delay("1")  # type: ignore[arg-type]
        bound.delay()  # type: ignore[call-arg]
        coroutine.delay("1")  # type: ignore[arg-type]
        await bound_coroutine.adelay("1")  # type: ignore[arg-type]
        shared.delay("1")  # type: ignore[arg-type]
        shared_bound.delay("1")  # type: ignore[arg-type]
        await by_class.adelay("1")  # type: ignore[arg-type]
        plain.s([1])  # type: ignore[call-overload]
        plain.s(1, 2)  # type: ignore[call-overload]
        plain.s(1, "a", 3)  # type: ignore[call-overload]
        plain.s(z=1)  # type: ignore[call-overload]
        plain.si("1")  # type: ignore[arg-type]
        optioned.s("1")  # type: ignore[call-overload]
        coroutine.s(1, 2)  # type: ignore[call-overload]
        shared.s("1")  # type: ignore[call-overload]
        plain.delay(1).get(timeout="soon")  # type: ignore[arg-type]
        app.register_task(len)  # type: ignore[arg-type]

    assert_type(app.conf.task_time_limit, float | None)
    assert_type(app.conf.task_acks_late, bool)
    assert_type(app.conf.imports, tuple[str, ...])
    del main, wrong
