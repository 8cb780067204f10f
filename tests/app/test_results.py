"""Handles on results: reading, waiting, and everything else that concerns one task."""

import asyncio
import copy
import io
import logging
import pickle
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.app.conftest import TurnedClock
from umbel import AsyncResult, Umbel, states
from umbel.app import request
from umbel.app.groups import result_from_tuple
from umbel.app.remote import RemoteTraceback
from umbel.app.waiting import allow_join_result, denied_join_result
from umbel.core.delivery import ConsumerId, Revocation
from umbel.core.errors import ImproperlyConfigured, IncompleteStream, TaskRevokedError, TimeoutError
from umbel.core.message import Headers, Message, Properties
from umbel.core.record import Record
from umbel.core.revoking import by_stamp


@pytest.fixture
def live(db_url: str) -> Iterator[Umbel]:
    """An app whose clock is real and whose messages and results go to a database."""
    with Umbel("live", broker=db_url) as app:
        yield app


def store(app: Umbel, id: str, status: str = states.SUCCESS, result: Any = None, **fields: Any) -> AsyncResult[Any]:
    assert app.store is not None
    app.store.sync.write([Record(status, result, task_id=id, **fields)])
    return app.AsyncResult(id)


FAILED = {"exc_type": "KeyError", "exc_message": ["boom"], "exc_module": "builtins"}


# Reading --------------------------------------------------------------------------------------------------------------


def test_an_unknown_id_is_pending(live: Umbel) -> None:
    result = live.AsyncResult("nobody")
    assert (result.state, result.result, result.traceback, result.children) == ("PENDING", None, None, None)
    assert (result.ready(), result.successful(), result.failed(), result.exists()) == (False, False, False, False)


def test_a_success(live: Umbel) -> None:
    result = store(live, "one", result={"a": [1]}, date_done="2026-11-20T15:36:22+00:00", children=[])
    assert (result.state, result.status, result.result, result.info) == ("SUCCESS", "SUCCESS", {"a": [1]}, {"a": [1]})
    assert (result.ready(), result.successful(), result.failed(), result.exists()) == (True, True, False, True)
    assert result.date_done == datetime(2026, 11, 20, 15, 36, 22, tzinfo=UTC)
    assert result.get() == {"a": [1]}
    assert result.children == []


def test_a_failure_raises_what_the_task_raised(live: Umbel) -> None:
    result = store(live, "one", states.FAILURE, FAILED, traceback="Traceback: line 5\n")
    assert result.failed()
    assert isinstance(result.result, KeyError)
    with pytest.raises(KeyError, match="boom") as raised:
        result.get()
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "line 5" in str(raised.value.__cause__)
    assert isinstance(result.get(propagate=False), KeyError)
    assert result.traceback == "Traceback: line 5\n"


def test_a_handle_has_one_exception_however_often_it_is_asked(live: Umbel) -> None:
    result = store(live, "one", states.FAILURE, FAILED)
    assert result.result is result.info is result.get(propagate=False)
    assert result.maybe_throw(propagate=False) is result.result


def test_a_revoked_task_raises_too(live: Umbel) -> None:
    described = {"exc_type": "TaskRevokedError", "exc_message": ["revoked"], "exc_module": "celery.exceptions"}
    with pytest.raises(TaskRevokedError, match="revoked"):
        store(live, "one", states.REVOKED, described).get()


def test_a_retry_is_no_end(live: Umbel) -> None:
    result = store(live, "one", states.RETRY, FAILED)
    assert not result.ready()
    assert isinstance(result.info, KeyError)
    with pytest.raises(TimeoutError):
        result.get(timeout=0)


def test_an_end_is_read_once_and_kept(live: Umbel) -> None:
    result = store(live, "one", states.FAILURE, FAILED)
    assert result.failed()
    assert live.store is not None
    live.store.sync.forget(["one"])
    assert result.failed()


def test_states_of_the_tasks_own(live: Umbel) -> None:
    @live.task
    def job() -> None: ...

    result = job.AsyncResult("one")
    job.update_state("one", "PROGRESS", {"done": 5, "at": datetime(2026, 1, 1, tzinfo=UTC)})
    assert result.state == "PROGRESS"
    assert result.info == {"done": 5, "at": datetime(2026, 1, 1, tzinfo=UTC)}
    assert not result.ready()
    asyncio.run(job.aupdate_state("one", states.FAILURE, KeyError("own")))
    assert isinstance(result.info, KeyError)
    assert result.date_done is not None


def test_inside_a_task_its_own_state_is_meant(live: Umbel) -> None:
    @live.task
    def job() -> None: ...

    token = request.push(request.Context(Message(Headers(job.name, "mine"), Properties(), b""), called_directly=False))
    try:
        job.update_state(state="PROGRESS", meta=1)
    finally:
        request.pop(token)
    assert live.AsyncResult("mine").state == "PROGRESS"
    with pytest.raises(ValueError, match="needs task_id="):
        job.update_state(state="PROGRESS")


def test_what_extended_results_hold(live: Umbel) -> None:
    fields: dict[str, Any] = {"name": "n", "args": [1], "kwargs": {"a": 2}, "worker": "w", "retries": 1, "queue": "q"}
    result = store(live, "one", **fields)
    assert {name: getattr(result, name) for name in fields} == fields
    plain = store(live, "two")
    assert (plain.name, plain.args, plain.retries) == (None, None, None)


# Waiting --------------------------------------------------------------------------------------------------------------


def test_get_returns_when_the_end_is_stored(live: Umbel) -> None:
    threading.Timer(0.05, store, (live, "one", states.SUCCESS, 5)).start()
    assert live.AsyncResult("one").get(timeout=10) == 5


def test_awaiting_a_result(live: Umbel) -> None:
    async def main() -> tuple[Any, Any, Any]:
        asyncio.get_running_loop().call_later(0.05, store, live, "one", states.SUCCESS, 5)
        result = live.AsyncResult("one")
        return await result, await result.astate(), await result.aready()

    assert asyncio.run(main()) == (5, "SUCCESS", True)


def test_awaiting_a_failure_raises(live: Umbel) -> None:
    async def main() -> Any:
        return await live.AsyncResult("one")

    store(live, "one", states.FAILURE, FAILED)
    with pytest.raises(KeyError):
        asyncio.run(main())


def test_the_timeout(live: Umbel) -> None:
    result = live.AsyncResult("one")
    with pytest.raises(TimeoutError, match=r"no result of one within 0\.01 s"):
        result.get(timeout=0.01)
    with pytest.raises(result.TimeoutError):
        asyncio.run(result.aget(timeout=0.01))


def test_callbacks_on_the_way(live: Umbel) -> None:
    heard: list[Any] = []
    steps = iter([("PROGRESS", 1), (states.SUCCESS, 2)])

    def interval() -> None:
        heard.append("interval")
        store(live, "one", *next(steps))

    live.AsyncResult("one").get(
        interval=0.01,
        on_interval=interval,
        on_message=lambda meta: heard.append((meta["status"], meta["result"])),
        callback=lambda id, value: heard.append((id, value)),
    )
    assert heard == ["interval", ("PROGRESS", 1), "interval", ("SUCCESS", 2), ("one", 2)]


def test_then_is_called_once_the_end_is_seen(live: Umbel) -> None:
    heard: list[Any] = []
    result = live.AsyncResult("one")
    result.then(lambda found: heard.append(found.result))
    assert not result.ready()
    store(live, "one", result=5)
    assert heard == []
    assert result.ready()
    assert heard == [5]
    result.then(lambda found: 1 / 0, on_error=lambda error: heard.append(type(error)))
    assert heard == [5, ZeroDivisionError]


def test_waiting_inside_a_task_is_refused_unless_it_is_asked_for(live: Umbel) -> None:
    result = store(live, "one", result=5)
    token = request.push(request.Context(Message(Headers("t", "id"), Properties(), b""), called_directly=False))
    try:
        with pytest.raises(RuntimeError, match=r"result\.get\(\) within a task"):
            result.get()
        with pytest.raises(RuntimeError):
            asyncio.run(result.aget())
        assert result.get(disable_sync_subtasks=False) == 5
        with allow_join_result():
            assert result.get() == 5
            with denied_join_result(), pytest.raises(RuntimeError):
                result.get()
    finally:
        request.pop(token)


def test_without_a_store_it_fails_at_once(db_url: str) -> None:
    app = Umbel("x", broker=db_url, backend="disabled")
    with pytest.raises(NotImplementedError, match="No result backend is configured"):
        app.AsyncResult("one").get()
    with pytest.raises(NotImplementedError):
        app.AsyncResult("one").state  # noqa: B018


def test_an_ignored_result_is_none_at_once(live: Umbel) -> None:
    @live.task(ignore_result=True)
    def job() -> int:
        return 5

    assert job.delay().get() is None
    assert asyncio.run(job.delay().aget()) is None
    assert not job.apply_async(ignore_result=False).ignored


def test_a_parents_failure_is_raised(live: Umbel) -> None:
    parent = store(live, "parent", states.FAILURE, FAILED)
    child: AsyncResult[Any] = AsyncResult("child", app=live, parent=parent)
    with pytest.raises(KeyError):
        child.get(timeout=0)
    with pytest.raises(TimeoutError):
        child.get(timeout=0, follow_parents=False)


# Who works? -----------------------------------------------------------------------------------------------------------


def test_when_nobody_works_it_says_so_once(live: Umbel, caplog: pytest.LogCaptureFixture, clock: Any) -> None:
    live.clock = clock

    @live.task
    def job() -> None: ...

    def wait(result: AsyncResult[Any], seconds: float) -> None:
        with pytest.raises(TimeoutError):
            result.get(timeout=seconds, interval=0, on_interval=lambda: clock.pause(0.5))

    with caplog.at_level(logging.WARNING, "umbel"):
        wait(job.delay(), 1.5)
        assert caplog.messages == []
        wait(job.delay(), 3)
        wait(job.delay(), 3)
    (line,) = caplog.messages
    assert line == (
        f"no worker reads queue 'celery' of {live.broker.url}; start one:  umbel -A tests.app.test_results worker"
    )


def test_an_undeclared_queue_is_named_in_the_command(live: Umbel, caplog: pytest.LogCaptureFixture, clock: Any) -> None:
    live.clock = clock
    result = live.send_task("somewhere", queue="video")
    with caplog.at_level(logging.WARNING, "umbel"), pytest.raises(TimeoutError):
        result.get(timeout=3, interval=0, on_interval=lambda: clock.pause(0.5))
    assert caplog.messages[-1].endswith(" worker -Q video")


def test_nothing_is_said_where_somebody_works(live: Umbel, caplog: pytest.LogCaptureFixture, clock: Any) -> None:
    async def main() -> None:
        consumer = live.broker.consumer(ConsumerId("c1"), node="n", queues=["celery"])
        await consumer.open(lease=30, width=1)
        result = await live.asend_task("job")
        live.clock = clock
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(result.get, 3, interval=0, on_interval=lambda: clock.pause(0.5))
        await consumer.close()

    asyncio.run(main())
    assert caplog.messages == []


# Acting ---------------------------------------------------------------------------------------------------------------


def revoked(app: Umbel) -> dict[str, Revocation]:
    async def main() -> dict[str, Revocation]:
        keeper = app.broker.keeper(app.broker.consumer(ConsumerId("c1"), node="n", queues=[]))
        try:
            return (await keeper.revoked())[1]
        finally:
            await keeper.close()

    return asyncio.run(main())


def test_revoking_leaves_a_mark_in_the_broker(live: Umbel) -> None:
    live.AsyncResult("one").revoke()
    live.AsyncResult("two").revoke(terminate=True)
    asyncio.run(live.AsyncResult("three").arevoke(terminate=True, signal="SIGUSR1"))
    assert {id: mark.terminate for id, mark in revoked(live).items()} == {
        "one": None,
        "two": "SIGTERM",
        "three": "SIGUSR1",
    }


def test_control_revokes_one_or_many(live: Umbel) -> None:
    live.control.revoke("one")
    live.control.revoke(["two", "three", "two"], terminate=True, signal="int")
    live.control.terminate("four", signal=9)
    asyncio.run(live.control.arevoke(iter(["five"])))
    assert {id: mark.terminate for id, mark in revoked(live).items()} == {
        "one": None,
        "two": "SIGINT",
        "three": "SIGINT",
        "four": "SIGKILL",
        "five": None,
    }


def test_marks_last_as_long_as_the_settings_say(app: Umbel, clock: TurnedClock) -> None:
    app.control.revoke("usual")
    app.conf.worker_revoke_expires = 60
    app.control.revoke("short")
    for seconds, left in ((59, {"usual", "short"}), (2, {"usual"}), (3 * 3600 - 62, {"usual"}), (2, set())):
        clock.time += seconds
        assert set(revoked(app)) == left


def test_control_refuses_what_it_would_have_to_ignore(live: Umbel) -> None:
    with pytest.raises(ValueError, match="no signal 'SIGNONE'"):
        live.control.revoke("one", terminate=True, signal="SIGNONE")
    with pytest.raises(ImproperlyConfigured, match="for all workers"):
        live.control.revoke("one", destination=["a@b"])
    assert not revoked(live)


def test_revoking_on_a_running_loop(live: Umbel) -> None:
    async def main() -> None:
        live.AsyncResult("one").revoke()

    asyncio.run(main())
    assert set(revoked(live)) == {"one"}


def test_what_carries_a_stamp_is_revoked_by_it(live: Umbel) -> None:
    live.control.revoke_by_stamped_headers({"order": ["A-7", 8]})
    live.AsyncResult("any").revoke_by_stamped_headers({"tenant": "x"}, terminate=True)
    found = {text: mark.terminate for text, mark in revoked(live).items()}
    assert found == {by_stamp("order", "A-7"): None, by_stamp("order", "8"): None, by_stamp("tenant", "x"): "SIGTERM"}
    with pytest.raises(TypeError, match="mapping of stamps"):
        live.control.revoke_by_stamped_headers({})


def test_replies_to_a_revoke_are_not_built(live: Umbel) -> None:
    with pytest.raises(ImproperlyConfigured, match="not built yet"):
        live.AsyncResult("one").revoke(wait=True)


def test_forgetting(live: Umbel) -> None:
    result = store(live, "one", result=5)
    assert result.get() == 5
    result.forget()
    assert not result.exists()
    assert result.state == "PENDING"
    again = store(live, "two", result=5)
    asyncio.run(again.aforget())
    assert not again.exists()


# Identity and family --------------------------------------------------------------------------------------------------


def test_handles_compare_by_id(live: Umbel) -> None:
    one, other = live.AsyncResult("one"), live.AsyncResult("one")
    assert one == other == "one"
    assert one != live.AsyncResult("two")
    assert one != 1
    assert len({one, other}) == 1
    assert (str(one), repr(one), one.task_id) == ("one", "<AsyncResult: one>", "one")
    with pytest.raises(ValueError, match="id"):
        AsyncResult(None)  # type: ignore[arg-type]


def test_handles_copy_and_pickle(live: Umbel) -> None:
    result = live.AsyncResult("one")
    assert pickle.loads(pickle.dumps(result)) == result
    assert copy.copy(result).app is live


def test_tuples_there_and_back(live: Umbel) -> None:
    child: AsyncResult[Any] = AsyncResult("child", app=live, parent=live.AsyncResult("parent"))
    assert child.as_tuple() == (("child", (("parent", None), None)), None)
    assert child.as_list() == ["child", "parent"]
    again = result_from_tuple([["child", [["parent", None], None]], None], live)
    assert again == child
    assert str(again.parent) == "parent"
    group = result_from_tuple([["g", [["before", None], None]], [[["a", None], None], [["h", None], []]]], live)
    assert (group.id, group.parent, [str(one.id) for one in group]) == ("g", "before", ["a", "h"])
    assert result_from_tuple(group.as_tuple(), live) == group
    with pytest.raises(ImproperlyConfigured, match="not the tuple of a result"):
        result_from_tuple(["x", 1, 2])


def test_what_a_task_led_to(live: Umbel) -> None:
    root = store(live, "root", result=1, children=[[["a", None], None], [["b", None], None]])
    store(live, "a", result=2, children=[])
    assert [child.id for child in root.children or []] == ["a", "b"]
    with pytest.raises(IncompleteStream):
        list(root.iterdeps())
    assert [(p and p.id, n.id) for p, n in root.iterdeps(intermediate=True)] == [
        (None, "root"),
        ("root", "a"),
        ("root", "b"),
    ]
    store(live, "b", result=3, children=[])
    assert [(node.id, value) for node, value in root.collect()] == [("root", 1), ("a", 2), ("b", 3)]
    assert root.get_leaf() == 3


def test_a_graph_shows_what_led_to_what(live: Umbel) -> None:
    root = store(live, "root", result=1, children=[[["a", None], None], [["g", None], [[["b", None], None]]]])
    store(live, "a", result=2, children=[[["c", None], None]])
    store(live, "b", result=3, children=[])
    with pytest.raises(IncompleteStream):
        root.build_graph()
    assert set(root.build_graph(intermediate=True)) == {"root", "a", "g", "b", "c"}
    store(live, "c", result=4, children=[])
    assert dict(root.graph.items()) == {"root": ["a", "g"], "a": ["c"], "g": ["b"], "c": [], "b": []}
    assert list(root.graph.edges()) == ["root", "a", "g"]
    order = [node.id for node in root.graph.topsort()]
    assert all(order.index(node.id) > order.index(one.id) for node, led_to in root.graph.items() for one in led_to)
    drawn = io.StringIO()
    root.graph.to_dot(drawn)
    assert drawn.getvalue().startswith("digraph dependencies {")
    assert '    "g" -> "b"' in drawn.getvalue().splitlines()
