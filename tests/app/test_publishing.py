"""Publishing: repeated within the timeout, reported when it fails, announced by signals."""

import asyncio
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import Outbox, TurnedClock
from umbel import Umbel, signals
from umbel.core.delivery import ACCEPTED, Refused, Unknown
from umbel.core.errors import ImproperlyConfigured, OperationalError, UmbelWarning


@pytest.fixture
def job(app: Umbel) -> Any:
    @app.task(name="tasks.job")
    def job(n: int = 0) -> int:
        return n

    return job


# Failing --------------------------------------------------------------------------------------------------------------


def test_a_failed_publish_is_repeated_by_the_policy(job: Any, outbox: Outbox, clock: TurnedClock) -> None:
    outbox.errors = [OperationalError("down")] * 3
    job.delay()
    assert clock.pauses == [0, 0.2, 0.4]
    assert len(outbox.messages) == 1
    assert outbox.deadlines == pytest.approx([5.0, 5.0, 4.8, 4.4])


def test_after_the_last_attempt_the_error_says_what_to_do(app: Umbel, job: Any, outbox: Outbox) -> None:
    outbox.errors = [OperationalError("disk is full")] * 4
    with pytest.raises(OperationalError) as caught:
        job.delay()
    assert app.broker.url in str(caught.value)
    assert "disk is full" in str(caught.value)
    assert "Nothing was sent" in str(caught.value)
    assert isinstance(caught.value.__cause__, OperationalError)


def test_no_attempt_begins_after_the_timeout(app: Umbel, job: Any, outbox: Outbox, clock: TurnedClock) -> None:
    app.conf.broker_publish_timeout = 2
    app.conf.task_publish_retry_policy = {"max_retries": None, "interval_start": 0.7, "interval_max": 0.7}
    outbox.errors = [OperationalError("down")] * 99
    with pytest.raises(OperationalError):
        job.delay()
    assert clock.pauses == [0.7, 0.7]
    assert all(deadline > 0 for deadline in outbox.deadlines)


@pytest.mark.parametrize("where", ["call", "setting"])
def test_it_is_not_repeated_where_that_is_not_wanted(app: Umbel, job: Any, outbox: Outbox, where: str) -> None:
    outbox.errors = [OperationalError("down")]
    if where == "setting":
        app.conf.task_publish_retry = False
    with pytest.raises(OperationalError):
        job.apply_async(retry=False if where == "call" else None)
    assert len(outbox.deadlines) == 1


def test_a_call_may_have_a_policy_of_its_own(job: Any, outbox: Outbox, clock: TurnedClock) -> None:
    outbox.errors = [OperationalError("down")] * 2
    job.apply_async(retry_policy={"max_retries": 2, "interval_start": 1})
    assert clock.pauses == [1, 1]  # interval_max of the settings is 1


def test_coroutines_fail_and_repeat_alike(job: Any, outbox: Outbox, clock: TurnedClock) -> None:
    outbox.errors = [OperationalError("down")] * 2
    asyncio.run(job.adelay(3))
    assert clock.pauses == [0, 0.2]
    assert outbox.arguments() == ([3], {})


def test_a_refusal_names_the_call(job: Any, outbox: Outbox) -> None:
    outbox.receipts = [Refused(ValueError("too large"))]
    with pytest.raises(OperationalError, match=r"the broker refused tasks\.job\[one\]: too large"):
        job.apply_async(task_id="one")


def test_what_was_not_confirmed_is_not_sent_again(job: Any, outbox: Outbox) -> None:
    outbox.receipts = [Unknown(TimeoutError("no answer"))]
    with pytest.raises(OperationalError, match=r"sent but not confirmed: no answer.*may run twice"):
        job.delay()
    assert len(outbox.batches) == 1


def test_of_many_the_accepted_are_counted(app: Umbel, job: Any, outbox: Outbox) -> None:
    outbox.receipts = [ACCEPTED, Refused(ValueError("no")), ACCEPTED]
    with pytest.raises(OperationalError, match="Of 3 messages, 2 were accepted"), app.bulk():
        _ = [job.delay(n) for n in range(3)]


def test_without_a_broker_celerys_defaults_fail_at_the_first_publish() -> None:
    app = Umbel("proj", defaults="celery")
    with pytest.raises(ImproperlyConfigured, match="no broker is configured: set broker_url"):
        app.send_task("job")


def test_a_broker_that_cannot_be_opened_is_reported_in_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Umbel("proj", broker=f"sqlite:///{tmp_path / 'file' / 'x.db'}", broker_publish_timeout=0.2) as app:
        with pytest.raises(OperationalError, match=r"cannot publish to sqlite:///.*Nothing was sent"):
            app.send_task("job")
        with pytest.raises(OperationalError, match=r"cannot publish"):
            asyncio.run(app.asend_task("job"))


# On an event loop -----------------------------------------------------------------------------------------------------


def test_delay_on_a_running_loop_warns_once_and_names_adelay(job: Any) -> None:
    async def main() -> None:
        with pytest.warns(UmbelWarning, match=r"tasks\.job: delay\(\) blocks the running event loop; await adelay"):
            job.delay()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            job.delay()
            await job.adelay()

    job.app.outlet = None
    asyncio.run(main())


def test_off_the_loop_it_warns_nobody(job: Any) -> None:
    job.app.outlet = None
    job.delay()


# Signals --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def heard() -> Iterator[list[tuple[str, Any, dict[str, Any]]]]:
    found: list[tuple[str, Any, dict[str, Any]]] = []

    def listen(signal: signals.Signal, sender: Any, **kwargs: Any) -> None:
        found.append((signal.name, sender, kwargs))

    watched = (signals.before_task_publish, signals.after_task_publish, signals.task_sent)
    for signal in watched:
        signal.connect(listen)
    yield found
    for signal in watched:
        signal.disconnect(listen)


def test_publishing_is_announced_with_celerys_arguments(job: Any, heard: list[Any]) -> None:
    job.apply_async((1,), task_id="one", headers={"trace": "t"}, expires=5)
    assert [(name, sender) for name, sender, _ in heard] == [
        ("before_task_publish", "tasks.job"),
        ("after_task_publish", "tasks.job"),
        ("task_sent", "tasks.job"),
    ]
    before, after, sent = (kwargs for _, _, kwargs in heard)
    names = ["body", "declare", "exchange", "headers", "properties", "retry_policy", "routing_key"]
    assert sorted(before) == names
    assert before["body"] == ((1,), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None})
    assert (before["exchange"], before["routing_key"]) == ("", "celery")
    assert before["headers"]["id"] == "one"
    assert before["headers"]["trace"] == "t"
    assert before["headers"]["timelimit"] == [None, None]
    assert before["properties"]["correlation_id"] == "one"
    assert before["retry_policy"]["max_retries"] == 3
    assert [queue.name for queue in before["declare"]] == ["celery"]
    assert sorted(after) == ["body", "exchange", "headers", "routing_key"]
    assert after["headers"]["trace"] == "t"
    assert after["body"][:2] == ([1], {})
    assert sorted(sent) == ["args", "eta", "kwargs", "task", "task_id", "taskset"]


def test_what_a_receiver_changes_is_sent(job: Any, outbox: Outbox) -> None:
    def change(headers: dict[str, Any], properties: dict[str, Any], body: Any, **kwargs: Any) -> None:
        headers["trace"] = "added"
        headers["shadow"] = "changed"
        properties["priority"] = 9
        body[0].append(7)

    signals.before_task_publish.connect(change, sender="tasks.job")
    try:
        job.apply_async([])
    finally:
        assert signals.before_task_publish.disconnect(change, sender="tasks.job")
    message = outbox.last.message
    assert message.custom == {"trace": "added"}
    assert message.headers.shadow == "changed"
    assert message.properties.priority == 9
    assert outbox.arguments() == ([7], {})


def test_what_was_refused_is_not_announced_as_sent(job: Any, outbox: Outbox, heard: list[Any]) -> None:
    outbox.receipts = [Refused(ValueError("no"))]
    with pytest.raises(OperationalError):
        job.delay()
    assert [name for name, _, _ in heard] == ["before_task_publish"]


def test_wrong_calls_are_not_announced_at_all(job: Any, heard: list[Any]) -> None:
    with pytest.raises(TypeError):
        job.delay(1, 2)
    assert heard == []
