"""``apply`` and ``task_always_eager``: the call runs here, with everything but the message."""

import asyncio
from typing import Any

import pytest

from tests.app.conftest import Outbox
from umbel import Ignore, Reject, Retry, Task, Umbel, signals
from umbel.core.errors import AlwaysEagerIgnored, EncodeError, PayloadTooLarge


class Noisy(Task[..., Any]):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def before_start(self, *args: Any) -> None:
        self.heard.append(("before_start", *args[1:]))

    def on_success(self, retval: Any, *args: Any) -> None:
        self.heard.append(("on_success", retval))

    def on_failure(self, exc: BaseException, *args: Any) -> None:
        self.heard.append(("on_failure", str(exc)))

    def on_retry(self, exc: BaseException, *args: Any) -> None:
        self.heard.append(("on_retry", str(exc)))

    def after_return(self, status: str, *args: Any) -> None:
        self.heard.append(("after_return", status))


def test_it_runs_with_hooks_and_a_request(app: Umbel, outbox: Outbox) -> None:
    @app.task(base=Noisy, bind=True)
    def job(self: Any, x: int) -> Any:
        request = self.request
        return x, request.id, request.is_eager, request.called_directly, request.retries, request.delivery_info

    result = job.apply((3,), task_id="one")
    value = (3, "one", True, False, 0, {**result.get()[5], "is_eager": True})
    assert result.get() == value
    assert (result.state, result.id, result.ready(), result.successful()) == ("SUCCESS", "one", True, True)
    assert job.heard == [
        ("before_start", (3,), {}),
        ("on_success", value),
        ("after_return", "SUCCESS"),
    ]
    assert outbox.messages == []
    assert outbox.records == []


def test_values_are_not_serialized(app: Umbel) -> None:
    value = object()
    assert app.task(lambda: value, name="job").apply().get() is value


def test_failures_are_kept_or_raised(app: Umbel) -> None:
    @app.task(base=Noisy)
    def job() -> None:
        raise KeyError("boom")

    result = job.apply()
    assert (result.state, str(result.result)) == ("FAILURE", "'boom'")
    assert "test_eager.py" in (result.traceback or "")
    with pytest.raises(KeyError):
        result.get()
    assert isinstance(result.get(propagate=False), KeyError)
    with pytest.raises(KeyError):
        job.apply(throw=True)
    app.conf.task_eager_propagates = True
    with pytest.raises(KeyError):
        job.apply()
    assert isinstance(job.apply(throw=False).result, KeyError)


@pytest.mark.parametrize(("error", "state"), [(Ignore(), "IGNORED"), (Reject("no"), "REJECTED")])
def test_other_ends(app: Umbel, error: Exception, state: str) -> None:
    @app.task
    def job() -> None:
        raise error

    assert job.apply().state == state


def test_retries_run_in_place(app: Umbel, outbox: Outbox) -> None:
    @app.task(base=Noisy, bind=True, max_retries=2)
    def job(self: Any, x: int) -> Any:
        if self.request.retries < 2:
            self.retry(args=(x + 1,), exc=KeyError("again"), countdown=99)
        return x, self.request.retries

    assert job.apply((1,)).get() == (3, 2)
    assert [name for name, *_ in job.heard].count("on_retry") == 2
    assert outbox.messages == []


def test_retries_in_place_have_a_limit(app: Umbel) -> None:
    @app.task(autoretry_for=(KeyError,), max_retries=2, bind=True)
    def job(self: Any) -> None:
        counted.append(self.request.retries)
        raise KeyError("boom")

    counted: list[int] = []
    result = job.apply()
    assert (result.state, type(result.result)) == ("FAILURE", KeyError)
    assert counted == [0, 1, 2]


def test_coroutines_run_to_their_end_also_beside_a_loop(app: Umbel) -> None:
    @app.task
    async def job(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    async def main() -> Any:
        return job.apply((1,)).get()

    assert job.apply((1,)).get() == 2
    assert asyncio.run(main()) == 2


def test_a_child_knows_its_parent(app: Umbel) -> None:
    @app.task(bind=True)
    def child(self: Any) -> Any:
        return self.request.parent_id, self.request.root_id

    @app.task
    def parent() -> Any:
        return child.apply().get()

    assert parent.apply(task_id="p").get() == ("p", "p")


def test_signals_are_sent(app: Umbel) -> None:
    heard: list[str] = []

    def listen(signal: signals.Signal, sender: Any, **kwargs: Any) -> None:
        heard.append(signal.name)

    watched = [signals.task_prerun, signals.task_success, signals.task_postrun, signals.before_task_publish]
    for signal in watched:
        signal.connect(listen)
    try:
        app.conf.task_always_eager = True
        app.task(lambda: 1, name="job").delay()
    finally:
        for signal in watched:
            signal.disconnect(listen)
    assert heard == ["task_prerun", "task_success", "task_postrun"]


# task_always_eager ----------------------------------------------------------------------------------------------------


@pytest.fixture
def eager(app: Umbel) -> Umbel:
    app.conf.task_always_eager = True
    return app


def test_every_call_runs_here(eager: Umbel, outbox: Outbox) -> None:
    @eager.task
    def add(x: int, y: int) -> int:
        return x + y

    assert add.delay(1, 2).get() == 3
    assert add.using(countdown=99, queue="q").delay(1, 2).get() == 3
    assert asyncio.run(add.adelay(1, 2)).get() == 3

    async def main() -> int:
        return await (await add.adelay(1, 2))

    assert asyncio.run(main()) == 3
    assert outbox.messages == []


def test_what_a_real_call_refuses_is_refused(eager: Umbel) -> None:
    @eager.task
    def add(x: int, y: int) -> int:
        return x + y

    with pytest.raises(TypeError, match=r"add\(x: int, y: int\)"):
        add.delay(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no option 'que'"):
        add.apply_async((1, 2), que="x")
    with pytest.raises(TypeError, match="link= takes signatures"):
        add.apply((1, 2), link=object())


def test_arguments_are_what_a_worker_would_get(eager: Umbel) -> None:
    @eager.task
    def kinds(*args: Any, **kwargs: Any) -> list[str]:
        return [type(value).__name__ for value in (*args, *kwargs.values())]

    assert kinds.delay((1,), a=(2,)).get() == ["list", "list"]
    assert kinds.apply(((1,),), {"a": (2,)}).get() == ["tuple", "tuple"]
    assert asyncio.run(kinds.adelay((1,))).get() == ["list"]
    mine = [1]
    eager.task(lambda value: value.append(2), name="change").delay(mine)
    assert mine == [1]


def test_arguments_that_cannot_be_sent_are_refused(eager: Umbel) -> None:
    @eager.task
    def job(x: Any) -> None: ...

    with pytest.raises(EncodeError, match=r"argument 1 \('x'\) of .*job"):
        job.delay(object())
    assert job.apply((object(),)).state == "SUCCESS"
    eager.conf.task_max_payload = 10
    with pytest.raises(PayloadTooLarge):
        job.delay("a" * 20)


def test_a_task_does_not_wait_for_its_subtask(eager: Umbel) -> None:
    @eager.task
    def child() -> int:
        return 1

    @eager.task
    def parent(disable: bool) -> int:
        return int(child.delay().get(disable_sync_subtasks=disable))

    @eager.task
    async def waits() -> int:
        return await (await child.adelay())

    with pytest.raises(RuntimeError, match="Never call result"):
        parent.delay(True).get()
    assert parent.delay(False).get() == 1
    with pytest.raises(RuntimeError, match="Never call result"):
        waits.delay().get()
    assert parent.apply((True,)).get() == 1  # nothing denies it there


def test_a_retry_that_propagates_is_raised(eager: Umbel) -> None:
    @eager.task(bind=True, max_retries=2)
    def job(self: Any) -> int:
        if not self.request.retries:
            raise self.retry(countdown=5)
        return 1

    assert job.delay().get() == 1
    eager.conf.task_eager_propagates = True
    with pytest.raises(Retry):
        job.delay()
    assert job.apply(throw=False).get() == 1


def test_strict_values_go_both_ways_through_the_serializer(app: Umbel) -> None:
    app.conf.task_eager_strict = True

    @app.task
    def back(x: Any) -> Any:
        return x, type(x).__name__

    assert back.apply(((1,),)).get() == [[1], "list"]
    with pytest.raises(EncodeError, match=r"argument 1 \('x'\)"):
        back.apply((object(),))
    result = app.task(object, name="unwritable").apply()
    assert (result.state, type(result.result)) == ("FAILURE", EncodeError)
    with pytest.raises(EncodeError):
        result.get()
    ignored = app.task(object, name="ignored", ignore_result=True).apply()
    assert ignored.state == "SUCCESS"


def test_strict_retries_get_what_a_worker_would_get(app: Umbel) -> None:
    app.conf.task_eager_strict = True

    @app.task(bind=True)
    def job(self: Any, x: Any) -> str:
        if not self.request.retries:
            raise self.retry(args=((1,),))
        return type(x).__name__

    assert job.apply((0,)).get() == "list"


def test_what_a_hook_raises_is_not_the_result(app: Umbel) -> None:
    class Clumsy(Task[..., Any]):
        def on_failure(self, *args: Any) -> None:
            raise OSError("hook")

    @app.task(base=Clumsy)
    def job() -> None:
        raise KeyError("body")

    assert isinstance(job.apply().result, KeyError)


@pytest.mark.parametrize(
    ("of_task", "of_call", "state"),
    [(True, False, "SUCCESS"), (False, True, "PENDING"), (True, None, "PENDING"), (False, None, "SUCCESS")],
)
def test_a_call_says_whether_it_wants_its_result(eager: Umbel, of_task: bool, of_call: bool | None, state: str) -> None:
    eager.conf.task_store_eager_result = True
    job = eager.task(lambda: 5, name="job", ignore_result=of_task)
    result = job.apply_async(ignore_result=of_call)
    assert eager.AsyncResult(result.id).state == state


def test_a_stored_result_that_cannot_be_written_is_a_failure(eager: Umbel) -> None:
    eager.conf.task_store_eager_result = True
    result = eager.task(object, name="job").delay()
    assert (result.state, type(result.result)) == ("FAILURE", EncodeError)
    assert eager.AsyncResult(result.id).state == "FAILURE"


def test_calls_by_name_are_sent_and_say_so(eager: Umbel, outbox: Outbox) -> None:
    with pytest.warns(AlwaysEagerIgnored):
        eager.send_task("job")
    assert len(outbox.messages) == 1


@pytest.mark.parametrize("stored", [True, False])
def test_results_are_stored_where_that_is_wanted(eager: Umbel, stored: bool) -> None:
    eager.conf.task_store_eager_result = stored
    result = eager.task(lambda: 5, name="job").delay()
    assert eager.AsyncResult(result.id).state == ("SUCCESS" if stored else "PENDING")
    if stored:
        assert eager.AsyncResult(result.id).get() == 5
