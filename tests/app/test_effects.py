"""What the settings of calls, results and eager tasks do: each value changes what is sent, stored or raised."""

import asyncio
import time
import traceback
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.app.conftest import Outbox, TurnedClock
from umbel import Retry, Umbel, crontab
from umbel.app.remote import RemoteTraceback, frames_of
from umbel.app.timetables import store_url
from umbel.app.traits import Traits
from umbel.beat.choosing import choose
from umbel.beat.options import BeatOptions
from umbel.beat.scheduler import Scheduler
from umbel.beat.term import Term
from umbel.core import states
from umbel.core.errors import BackendGetMetaError, ImproperlyConfigured
from umbel.core.record import Record
from umbel.wire import exceptions, serializers

# Calls ----------------------------------------------------------------------------------------------------------------


def test_the_default_exchange_and_routing_key_address_the_default_queue(app: Umbel, outbox: Outbox) -> None:
    app.conf.update(
        task_default_queue="q",
        task_default_exchange="events",
        task_default_exchange_type="topic",
        task_default_routing_key="all.of.it",
    )
    app.task(lambda: 1, name="job").delay()
    info = outbox.last.message.properties.delivery_info
    assert (outbox.last.queue, info.exchange, info.routing_key) == ("q", "events", "all.of.it")


@pytest.mark.parametrize("mode", [1, 2])
def test_the_delivery_mode_is_that_of_the_settings(app: Umbel, outbox: Outbox, mode: int) -> None:
    app.conf.task_default_delivery_mode = mode
    app.task(lambda: 1, name="job").delay()
    assert outbox.last.message.properties.delivery_mode == mode


def test_arguments_are_compressed_as_the_settings_say(app: Umbel, outbox: Outbox) -> None:
    app.conf.task_compression = "zlib"
    app.task(lambda x: x, name="job").delay("a" * 1000)
    message = outbox.last.message
    assert message.headers.compression == "application/x-gzip"
    assert b"aaaa" in zlib.decompress(message.body)


def test_arguments_are_written_by_the_serializer_of_the_settings(app: Umbel, outbox: Outbox) -> None:
    serializers.register(
        "shout", lambda value: repr(value).upper().encode(), lambda data: data, "text/x-shout", "utf-8"
    )
    try:
        app.conf.task_serializer = "shout"
        app.task(lambda x: x, name="job").delay("a")
    finally:
        serializers.unregister("shout")
    assert outbox.last.message.content_type == "text/x-shout"
    assert outbox.last.message.body.startswith(b"(('A',)")


@pytest.mark.parametrize(("levels", "shown"), [(1, "([...],)"), (3, "([[[...]]],)"), (None, "([[[[1]]]],)")])
def test_arguments_are_shown_as_deep_as_the_settings_say(
    app: Umbel, outbox: Outbox, levels: int | None, shown: str
) -> None:
    app.conf.task_repr_maxlevels = levels
    job = app.task(lambda x: x, name="job")
    job.delay([[[[1]]]])
    job.apply_async(([[[[1]]]],), countdown=1)
    assert [m.message.headers.argsrepr for m in outbox.messages] == [shown] * 2


@pytest.fixture
def vienna(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine is in Vienna."""
    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("utc", "offset"), [(True, "+00:00"), (False, "+01:00")])
@pytest.mark.usefixtures("vienna")
def test_times_are_local_without_utc(app: Umbel, outbox: Outbox, utc: bool, offset: str) -> None:
    app.conf.enable_utc = utc
    app.task(lambda: 1, name="job").apply_async(eta=datetime(2030, 1, 1, 12, tzinfo=UTC))
    eta = outbox.last.message.headers.eta
    assert eta is not None
    assert eta.endswith(offset)
    assert datetime.fromisoformat(eta) == datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_what_is_accepted_is_what_the_settings_accept(app: Umbel) -> None:
    assert app.accept_content == {"application/json"}
    app.conf.accept_content = ["application/x-mine"]
    assert app.accept_content == {"application/x-mine"}
    app.conf.accept_content = None
    assert app.accept_content >= {"application/json"}


def test_only_protocol_2_is_written(app: Umbel) -> None:
    with pytest.raises(ImproperlyConfigured, match="task_protocol = 1: this setting is not built yet"):
        app.conf.task_protocol = 1


# What a task's end means ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "acked"),
    [
        ({}, (True, True)),
        ({"task_acks_on_failure_or_timeout": False}, (False, False)),
        ({"task_acks_on_failure_or_timeout": False, "task_acks_on_failure": True}, (True, False)),
        ({"task_acks_on_failure_or_timeout": False, "task_acks_on_timeout": True}, (False, True)),
        ({"task_acks_on_timeout": False}, (True, False)),
        ({"task_acks_on_failure": False}, (False, True)),
    ],
)
def test_failures_and_timeouts_are_acknowledged_as_the_settings_say(
    app: Umbel, settings: dict[str, bool], acked: tuple[bool, bool]
) -> None:
    app.conf.update(settings)
    policy = Traits(app.task(lambda: 1, name="job")).policy
    assert (policy.acks_on_failure, policy.acks_on_timeout) == acked


@pytest.mark.parametrize("late", [True, False])
def test_the_moment_of_acknowledgement_is_that_of_the_settings(app: Umbel, late: bool) -> None:
    app.conf.update(task_acks_late=late, task_reject_on_worker_lost=not late)
    policy = Traits(app.task(lambda: 1, name="job")).policy
    assert (policy.acks_late, policy.reject_on_worker_lost) == (late, not late)


def test_how_often_and_how_long_messages_live_on(app: Umbel) -> None:
    app.conf.update(task_max_deliveries=2, task_keep_failed=0, task_unknown_grace=3)
    policy = Traits(app.task(lambda: 1, name="job")).policy
    assert (policy.max_deliveries, policy.keep_failed, policy.unknown_grace) == (2, False, 3.0)


@pytest.mark.parametrize("limits", [(5.0, 4.0), (None, None)])
def test_the_limits_of_the_settings_hold_for_tasks_without(app: Umbel, limits: tuple[Any, Any]) -> None:
    app.conf.task_time_limit, app.conf.task_soft_time_limit = limits
    free, own = app.task(lambda: 1, name="free"), app.task(lambda: 1, name="own", time_limit=2, soft_time_limit=1)
    assert (Traits(free).time_limit, Traits(free).soft_time_limit) == limits
    assert (Traits(own).time_limit, Traits(own).soft_time_limit) == (2, 1)


def test_a_soft_limit_above_the_hard_one_is_refused(app: Umbel) -> None:
    with pytest.raises(ImproperlyConfigured, match="task job: soft_time_limit 5 is more than time_limit 4"):
        app.task(lambda: 1, name="job", soft_time_limit=5, time_limit=4)


# Results --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(app: Umbel) -> Umbel:
    """Eager tasks store their results."""
    app.conf.update(task_always_eager=True, task_store_eager_result=True)
    return app


@pytest.mark.parametrize("extended", [True, False])
def test_results_say_more_where_they_are_extended(stored: Umbel, extended: bool) -> None:
    stored.conf.result_extended = extended
    result = stored.AsyncResult(stored.task(lambda x: x, name="job").delay(1).id)
    assert (result.name, result.args) == (("job", [1]) if extended else (None, None))


@pytest.mark.parametrize(("lives", "kept"), [(None, 86400), (5, 5)])
def test_failures_live_as_long_as_the_settings_say(lives: float | None, kept: int) -> None:
    app = Umbel("x", broker="memory://", backend="redis://host/1", set_as_current=False, result_failure_expires=lives)
    store: Any = app.store
    seconds = [store.compile(Record(state, task_id="one"))[3] for state in ("SUCCESS", "FAILURE")]
    assert seconds == [86400, kept]


def test_a_large_result_is_told_once(stored: Umbel, caplog: pytest.LogCaptureFixture) -> None:
    job = stored.task(lambda size: "x" * size, name="tests.large")
    stored.conf.result_max_size = None
    job.delay(1000)
    assert "result_max_size" not in caplog.text
    stored.conf.result_max_size = 100
    job.delay(50)
    job.delay(1000)
    job.delay(1000)
    assert caplog.text.count("result_max_size is 100") == 1


@pytest.mark.parametrize("tracked", [True, False])
def test_a_start_is_stored_where_it_is_tracked(stored: Umbel, tracked: bool) -> None:
    stored.conf.task_track_started = tracked

    @stored.task(bind=True)
    def job(self: Any) -> str:
        return stored.AsyncResult(self.request.id).state

    assert job.delay().get() == ("STARTED" if tracked else "PENDING")


@pytest.mark.parametrize("errors", [True, False])
def test_results_are_ignored_and_errors_stored_as_the_settings_say(stored: Umbel, errors: bool) -> None:
    stored.conf.update(task_ignore_result=True, task_store_errors_even_if_ignored=errors)
    policy = Traits(stored.task(lambda: 1, name="job")).policy
    assert (policy.store_result, policy.store_errors) == (False, errors)
    stored.conf.task_ignore_result = False
    policy = Traits(stored.tasks["job"]).policy
    assert (policy.store_result, policy.store_errors) == (True, True)


TEXT = """Traceback (most recent call last):
  File "/elsewhere/tasks.py", line 7, in job
    inner()
  File "/elsewhere/inner.py", line 9, in inner
    raise KeyError("boom")
KeyError: 'boom'
"""


def test_exceptions_have_the_workers_frames_where_that_is_wanted(app: Umbel) -> None:
    record = Record(states.FAILURE, exceptions.describe(KeyError("boom")), TEXT, task_id="one")
    assert app.store is not None
    app.store.sync.write([record])
    with pytest.raises(KeyError) as as_text:
        app.AsyncResult("one").get()
    app.conf.task_remote_tracebacks = True
    with pytest.raises(KeyError) as as_frames:
        app.AsyncResult("one").get()
    places = [(f.filename, f.lineno, f.name) for f in traceback.extract_tb(as_frames.value.__traceback__)]
    assert places[-2:] == [("/elsewhere/tasks.py", 7, "job"), ("/elsewhere/inner.py", 9, "inner")]
    assert as_frames.value.__cause__ is None
    assert isinstance(as_text.value.__cause__, RemoteTraceback)
    assert "tasks.py" not in [f.filename for f in traceback.extract_tb(as_text.value.__traceback__)]


def test_frames_are_those_of_the_last_traceback_in_the_text() -> None:
    chained = f"{TEXT}\nDuring handling of the above exception, another exception occurred:\n\n" + TEXT.replace(
        "9", "11"
    )
    made = frames_of(chained)
    assert [frame.lineno for frame in traceback.extract_tb(made)] == [7, 11]
    assert frames_of("no traceback at all") is None


class Away:
    """A store that cannot be reached so often."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.sync = self

    def read(self, ids: Sequence[str], timeout: float | None = None) -> dict[str, Record]:
        if self.left:
            self.left -= 1
            raise BackendGetMetaError("away")
        return {"one": Record(states.SUCCESS, 5, task_id="one")}


@pytest.mark.parametrize(("always", "most", "failures"), [(False, 5, 1), (True, 2, 3)])
def test_a_store_is_not_asked_more_often_than_the_settings_say(
    app: Umbel, always: bool, most: int, failures: int
) -> None:
    app.conf.update(result_backend_always_retry=always, result_backend_max_retries=most)
    result = app.AsyncResult("one", backend=Away(failures))
    with pytest.raises(BackendGetMetaError):
        result.get()


def test_a_store_is_asked_again_with_pauses_that_grow(app: Umbel, clock: TurnedClock) -> None:
    app.conf.update(
        result_backend_always_retry=True,
        result_backend_max_retries=4,
        result_backend_base_sleep_between_retries_ms=100,
        result_backend_max_sleep_between_retries_ms=300,
    )
    assert app.AsyncResult("one", backend=Away(4)).get() == 5
    assert clock.pauses == [0.1, 0.2, 0.3, 0.3]


def test_a_store_is_asked_again_by_coroutines_too(app: Umbel, clock: TurnedClock) -> None:
    class Awaited(Away):
        async def read(  # type: ignore[override]
            self, ids: Sequence[str], timeout: float | None = None
        ) -> dict[str, Record]:
            return super().read(ids)

    app.conf.result_backend_always_retry = True
    assert asyncio.run(app.AsyncResult("one", backend=Awaited(1)).aget()) == 5
    assert clock.pauses == [0.01]


@pytest.mark.parametrize("interval", [2.0, 30.0])
def test_an_unfinished_chord_is_looked_at_as_often_as_the_settings_say(
    app: Umbel, clock: TurnedClock, interval: float
) -> None:
    app.conf.result_chord_retry_interval = interval
    unlock = app.tasks["celery.chord_unlock"]
    body = app.task(lambda parts: parts, name="body").s()
    with pytest.raises(Retry) as raised:
        unlock.apply(("group", body), {"result": [[["one", None], None]]}, throw=True)
    assert raised.value.when == interval


# Connections ----------------------------------------------------------------------------------------------------------


def test_connecting_takes_no_longer_than_the_settings_say() -> None:
    app = Umbel("x", broker="redis://host/1", set_as_current=False, broker_connection_timeout=1.5)
    assert app.broker.place.connect_timeout == 1.5  # type: ignore[attr-defined]
    app.conf.broker_transport_options = {"socket_connect_timeout": 2.5}
    assert app.broker.place.connect_timeout == 2.5  # type: ignore[attr-defined]


def test_redis_with_results_is_asked_as_the_settings_say() -> None:
    provider = object()
    app = Umbel("x", broker="memory://", backend="redis://host/1", set_as_current=False)
    app.conf.update(redis_socket_timeout=2.5, redis_backend_credential_provider=provider)
    store: Any = app.store
    assert store.place.credentials is provider
    assert store.sync._timeout == 2.5


# Beat -----------------------------------------------------------------------------------------------------------------


def test_what_is_called_when_is_in_the_settings(app: Umbel) -> None:
    app.conf.beat_schedule = {"often": {"task": "job", "schedule": 5}}
    assert app.schedules.configured()["often"].task == "job"


@pytest.mark.parametrize("deadline", [None, 60.0])
def test_old_ticks_of_a_crontab_are_run_as_the_settings_say(app: Umbel, deadline: float | None) -> None:
    app.conf.beat_cron_starting_deadline = deadline
    app.conf.beat_schedule = {"daily": {"task": "job", "schedule": crontab(hour=8, minute=0)}}
    assert app.schedules.configured()["daily"].max_age == deadline


def test_schedules_are_kept_where_the_settings_say(app: Umbel) -> None:
    assert store_url(app) is None
    app.conf.beat_schedule_filename = "times.db"
    assert store_url(app) == "sqlite:///times.db"


@pytest.mark.parametrize("lease", [2.0, 10.0])
def test_a_tick_that_is_being_published_is_left_alone_for_two_leases(app: Umbel, lease: float) -> None:
    app.conf.beat_lease = lease
    tables: Any = SimpleNamespace(book="book", ticks=None)
    leading: Any = SimpleNamespace(beat="me")
    assert Term(app, tables, leading, 1, 1.0, {}).agenda._grace == 2 * lease


class MyScheduler(Scheduler):
    """Named by a setting."""


def test_the_scheduler_and_its_sleep_are_those_of_the_settings(app: Umbel) -> None:
    assert type(choose(app, BeatOptions())) is Scheduler
    app.conf.update(beat_scheduler="tests.app.test_effects:MyScheduler", beat_max_loop_interval=7)
    chosen = choose(app, BeatOptions())
    assert isinstance(chosen, MyScheduler)
    assert chosen.max_interval == 7.0
