"""``task.retry`` and the autoretry options: the message of the retry, and when there is none."""

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.app.conftest import Outbox, TurnedClock
from umbel import Ignore, Reject, Retry, Task, Umbel, signals
from umbel.app import request
from umbel.core.delivery import Outgoing
from umbel.core.errors import MaxRetriesExceededError
from umbel.core.message import DeliveryInfo, Embed, Headers, Message, Properties
from umbel.wire import body


@contextmanager
def running(task: Task[..., Any], *args: Any, embed: Embed | None = None, **fields: Any) -> Iterator[request.Context]:
    """As if a worker ran ``task`` with a message of these fields."""
    route = DeliveryInfo(fields.pop("exchange", ""), fields.pop("routing_key", "q1"))
    properties = Properties("one", fields.pop("reply_to", None), 2, route, fields.pop("priority", 0))
    kwargs, queue = fields.pop("kwargs", {}), fields.pop("queue", None)
    message = Message(
        Headers(task.name, "one", **{"root_id": "root", "parent_id": "parent", **fields}),
        properties,
        b"",
        custom={"trace": "t", "x-death": [1]},
    )
    context = request.Context(message, embed or Embed(), args=args, kwargs=kwargs, called_directly=False, queue=queue)
    token = request.push(context)
    try:
        yield context
    finally:
        request.pop(token)


@pytest.fixture
def job(app: Umbel) -> Any:
    @app.task(name="tasks.job", bind=True, max_retries=3)
    def job(self: Any, x: int, y: int = 0) -> int:
        return x

    return job


def arguments(outgoing: Outgoing) -> tuple[Any, Any, Embed]:
    return body.decode(outgoing.message, frozenset({"application/json"}))


def test_the_message_is_the_same_call_again(job: Any, clock: TurnedClock, outbox: Outbox) -> None:
    embed = Embed(callbacks=[{"task": "next"}])
    fields: dict[str, Any] = {
        "retries": 1,
        "shadow": "s",
        "group": "g",
        "group_index": 4,
        "timelimit": (9, 8),
        "expires": "2030-01-01T00:00:00+00:00",
        "origin": "gen1@elsewhere",
        "ignore_result": True,
        "replaced_task_nesting": 1,
        "stamped_headers": ["job"],
        "stamps": {"job": "J"},
        "reply_to": "back",
    }
    with running(job, 1, 2, embed=embed, priority=7, **fields) as context, pytest.raises(Retry) as raised:
        job.retry(countdown=60)
    (outgoing,) = context.publish
    headers, properties = outgoing.message.headers, outgoing.message.properties
    assert (headers.id, headers.retries, headers.root_id) == ("one", 2, "root")
    assert headers.parent_id == "one"  # sent from the running task
    assert (headers.shadow, headers.group, headers.group_index, headers.timelimit) == ("s", "g", 4, (9, 8))
    assert (headers.expires, headers.origin) == ("2030-01-01T00:00:00+00:00", "gen1@elsewhere")
    assert (headers.ignore_result, headers.replaced_task_nesting) == (True, 1)
    assert (headers.stamped_headers, headers.stamps) == (["job"], {"job": "J"})
    assert (properties.priority, properties.reply_to, properties.correlation_id) == (7, "back", "one")
    assert outgoing.message.custom == {"trace": "t"}
    assert outgoing.queue == "q1"
    assert outgoing.due == clock.now() + 60
    assert arguments(outgoing) == ([1, 2], {}, embed)
    assert (raised.value.when, raised.value.is_eager) == (60, False)
    assert outbox.messages == []  # the worker sends it with the acknowledgement


@pytest.mark.parametrize(
    ("fields", "queue"),
    [
        ({"routing_key": "q1"}, "q1"),
        ({"routing_key": "q1", "queue": "real"}, "real"),
        ({"exchange": "ex", "routing_key": "key"}, "bound"),
    ],
)
def test_it_goes_to_the_queue_it_came_from(app: Umbel, job: Any, fields: Any, queue: str) -> None:
    app.conf.task_queues = {"bound": {"exchange": "ex", "routing_key": "key"}}
    app.conf.task_routes = {"*": {"queue": "elsewhere"}}
    with running(job, 1, **fields) as context:
        job.retry(throw=False)
    assert context.publish[0].queue == queue


def test_without_a_time_it_waits_the_tasks_default(app: Umbel, job: Any, clock: TurnedClock) -> None:
    with running(job, 1) as context:
        assert job.retry(throw=False).when == 180
        job.default_retry_delay = 5
        job.retry(throw=False)
        job.retry(eta=datetime.fromtimestamp(clock.now() + 7, UTC), throw=False)
        job.retry(countdown=0, throw=False)
    assert [o.due and o.due - clock.now() for o in context.publish] == [180, 5, 7, None]


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        (None, None, ([1], {"y": 2})),
        ((5,), None, ([5], {"y": 2})),
        ((5, 6), None, ([5, 6], {})),
        (None, {"y": 3}, ([1], {"y": 3})),
        (None, {"x": 9}, ([9], {})),
        ((7,), {}, ([7], {})),
    ],
)
def test_other_arguments_replace_what_they_contradict(job: Any, args: Any, kwargs: Any, expected: Any) -> None:
    with running(job, 1, kwargs={"y": 2}) as context:
        job.retry(args=args, kwargs=kwargs, throw=False)
    assert arguments(context.publish[0])[:2] == expected


def test_arguments_by_name_are_replaced_as_a_whole(job: Any) -> None:
    with running(job, kwargs={"x": 1, "y": 2}) as context:
        job.retry(kwargs={"x": 5}, throw=False)
    assert arguments(context.publish[0])[:2] == ([], {"x": 5})


def test_options_of_the_retry_win(job: Any) -> None:
    with running(job, 1, priority=3) as context:
        job.retry(queue="other", priority=9, headers={"a": 1}, throw=False)
    message = context.publish[0].message
    assert context.publish[0].queue == "other"
    assert message.properties.priority == 9
    assert message.custom == {"a": 1}


def test_over_the_limit_it_raises_the_cause(job: Any) -> None:
    cause = ValueError("boom")
    with running(job, 1, retries=3) as context:
        with pytest.raises(ValueError, match="boom") as raised:
            job.retry(exc=cause)
        with pytest.raises(MaxRetriesExceededError, match=r"tasks\.job\[one\]") as exceeded:
            job.retry()
    assert raised.value is cause
    assert exceeded.value.task_args == (1,)
    assert context.publish == []


def test_the_limit_of_the_call_wins_and_none_is_no_limit(job: Any) -> None:
    with running(job, 1, retries=3) as context:
        job.retry(max_retries=4, throw=False)
        with pytest.raises(MaxRetriesExceededError):
            job.retry(max_retries=1)
    job.max_retries = None
    with running(job, 1, retries=300) as context:
        job.retry(throw=False)
    assert len(context.publish) == 1


def test_the_cause_keeps_what_was_being_handled(job: Any) -> None:
    with running(job, 1, retries=3):
        handled = KeyError("inner")
        try:
            raise handled
        except KeyError:
            with pytest.raises(ValueError, match="outer") as raised:
                job.retry(exc=ValueError("outer"))
    assert raised.value.__cause__ is handled


def test_outside_of_a_worker_it_raises_the_cause(job: Any) -> None:
    with pytest.raises(ValueError, match="boom"):
        job.retry(exc=ValueError("boom"))
    with pytest.raises(Retry, match="can be retried"):
        job.retry()


def test_a_retry_that_cannot_be_made_rejects_the_message(job: Any) -> None:
    with running(job, 1) as context, pytest.raises(Reject) as raised:
        job.retry(args=(object(),))
    assert raised.value.requeue is False
    assert context.publish == []


def test_the_retry_is_announced_in_the_tasks_context_and_changed(app: Umbel, job: Any) -> None:
    seen: list[Any] = []

    def listen(headers: dict[str, Any], **kwargs: Any) -> None:
        seen.append(app.current_task)
        headers["added"] = 1

    signals.before_task_publish.connect(listen)
    try:
        with running(job, 1) as context:
            job.retry(throw=False)
    finally:
        signals.before_task_publish.disconnect(listen)
    assert seen == [job]
    assert context.publish[0].message.custom == {"trace": "t", "added": 1}


def test_inside_a_bulk_block_it_still_leaves_with_the_settlement(app: Umbel, job: Any, outbox: Outbox) -> None:
    with running(job, 1) as context, app.bulk():
        job.retry(throw=False)
    assert len(context.publish) == 1
    assert outbox.messages == []


# Autoretry ------------------------------------------------------------------------------------------------------------


class Base(Exception): ...


class Derived(Base): ...


def failing(app: Umbel, error: BaseException, **options: Any) -> Task[..., Any]:
    def fail() -> None:
        raise error

    return app.task(fail, name="tasks.failing", **options)


def test_expected_exceptions_are_retried(app: Umbel, clock: TurnedClock) -> None:
    error = Derived("boom")
    task = failing(app, error, autoretry_for=(Base,), retry_kwargs={"countdown": 4})
    with running(task) as context, pytest.raises(Retry) as raised:
        task.run()
    assert raised.value.exc is error
    assert context.publish[0].due == clock.now() + 4


@pytest.mark.parametrize("error", [KeyError("other"), Ignore(), Retry(), Reject()])
def test_others_pass(app: Umbel, error: Exception) -> None:
    task = failing(app, error, autoretry_for=(Base, Ignore, Retry))
    with running(task) as context, pytest.raises(type(error)):
        task.run()
    assert context.publish == []


def test_exceptions_may_be_taken_out_again(app: Umbel) -> None:
    task = failing(app, Derived(), autoretry_for=(Base,), dont_autoretry_for=(Derived,))
    with running(task) as context, pytest.raises(Derived):
        task.run()
    assert context.publish == []


def test_the_last_retry_raises_the_exception_itself(app: Umbel) -> None:
    task = failing(app, Base("last"), autoretry_for=(Base,), max_retries=2)
    with running(task, retries=2), pytest.raises(Base, match="last"):
        task.run()
    task = failing(Umbel("x", broker="memory://"), Base("last"), autoretry_for=(Base,), retry_kwargs={"max_retries": 1})
    with running(task, retries=1), pytest.raises(Base, match="last"):
        task.run()


@pytest.mark.parametrize(
    ("options", "retries", "delays"),
    [
        ({"retry_backoff": True, "retry_jitter": False}, 3, {8}),
        ({"retry_backoff": 5, "retry_jitter": False}, 2, {20}),
        ({"retry_backoff": 0.5, "retry_jitter": False}, 1, {2}),
        ({"retry_backoff": True, "retry_backoff_max": 6, "retry_jitter": False}, 9, {6}),
        ({"retry_backoff": True}, 2, set(range(5))),
        ({}, 2, {180}),
    ],
)
def test_backing_off(app: Umbel, clock: TurnedClock, options: Any, retries: int, delays: set[int]) -> None:
    task = failing(app, Base(), autoretry_for=(Base,), max_retries=None, **options)
    found = set()
    for _ in range(30):
        with running(task, retries=retries), pytest.raises(Retry) as raised:
            task.run()
        found.add(raised.value.when)
    assert found <= delays
    assert len(found) > 1 or len(delays) == 1


def test_a_limit_given_inside_holds_for_the_automatic_retry_too(app: Umbel) -> None:
    @app.task(name="tasks.inner", bind=True, autoretry_for=(Base,))
    def inner(self: Any) -> None:
        raise self.retry(exc=Base("no more"), max_retries=0)

    with running(inner) as context, pytest.raises(Base, match="no more"):
        inner.run()
    assert context.publish == []


def test_coroutines_are_retried(app: Umbel) -> None:
    @app.task(name="tasks.coroutine", autoretry_for=(Base,))
    async def coroutine() -> None:
        await asyncio.sleep(0)
        raise Base

    assert inspect.iscoroutinefunction(coroutine.run)
    with running(coroutine) as context, pytest.raises(Retry):
        asyncio.run(coroutine.run())
    assert len(context.publish) == 1


def test_a_class_may_say_it_for_its_tasks(app: Umbel) -> None:
    class Patient(Task[..., Any]):
        autoretry_for = (Base,)
        retry_kwargs = {"countdown": 1}

    task = failing(app, Base(), base=Patient)
    with running(task), pytest.raises(Retry):
        task.run()


def test_a_plain_call_raises_the_exception(app: Umbel) -> None:
    with pytest.raises(Base):
        failing(app, Base(), autoretry_for=(Base,))()


def test_a_retry_travels_as_the_call_did(job: Any, outbox: Outbox) -> None:
    with running(job, {1, 2}) as context:
        assert context.message is not None
        context.message.content_type = "application/x-python-serialize"
        context.message.headers.compression = "application/x-gzip"
        with pytest.raises(Retry):
            job.retry()
        (again,) = context.publish
    assert again.message.headers.compression == "application/x-gzip"
    assert body.decode(again.message, frozenset({"application/x-python-serialize"}))[0] == [{1, 2}]


def test_a_retry_goes_to_the_queue_that_it_came_from_and_to_no_other(app: Umbel, job: Any, outbox: Outbox) -> None:
    topic = {"exchange": "ex", "exchange_type": "topic", "routing_key": "k.#"}
    app.conf.task_queues = {"one": topic, "other": topic, "celery": {}}
    with running(job, 1, exchange="ex", routing_key="k.x", queue="one") as context:
        with pytest.raises(Retry):
            job.retry()
        with pytest.raises(Retry):
            job.retry(queue="celery")
        with pytest.raises(Retry):
            job.retry(exchange="ex", routing_key="k.y")
    first, elsewhere, bound = context.publish
    assert (first.queue, first.message.properties.delivery_info) == ("one", DeliveryInfo("", "one"))
    assert (elsewhere.queue, elsewhere.message.properties.delivery_info) == ("celery", DeliveryInfo("", "celery"))
    assert bound.message.properties.delivery_info == DeliveryInfo("ex", "k.y")
