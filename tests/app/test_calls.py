"""From a call to its message: every option, and where each comes to stand."""

import os
import socket
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import RFC_4122, UUID

import msgspec
import pytest

from tests.app.conftest import Outbox, TurnedClock
from umbel import Broadcast, Queue, Umbel
from umbel.app import request
from umbel.core.errors import EncodeError, ImproperlyConfigured, PayloadTooLarge, QueueNotFound
from umbel.core.message import Headers, Message, Properties
from umbel.worker.options import WorkerOptions
from umbel.worker.plan import make_plan

NOW = datetime.fromtimestamp(1_800_000_000, UTC)


@pytest.fixture
def add(app: Umbel) -> Any:
    @app.task(name="tasks.add")
    def add(x: int, y: int = 0) -> int:
        return x + y

    return add


def head(outbox: Outbox) -> Headers:
    return outbox.last.message.headers


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"queue": "email", "priority": 5, "serializer": "json", "delivery_mode": 1},
        {"ignore_result": True, "routing_key": "this.way"},
        {"time_limit": 9, "soft_time_limit": 5},
        {"expires": 30},
    ],
)
def test_the_short_way_makes_the_same_message(app: Umbel, options: dict[str, Any]) -> None:
    """A call without options copies what is known of its task; the long way looks at every option anew."""
    app.conf.task_default_priority = 3

    def made(task: Any, said: dict[str, Any]) -> tuple[Any, ...]:
        outgoing = app.client.build(task, (1,), {"y": 2}, said)
        message = outgoing.message
        headers = msgspec.structs.asdict(message.headers)
        assert headers.pop("id") == headers.pop("root_id") == message.properties.correlation_id
        message.properties.correlation_id = None
        return outgoing.queue, outgoing.due, headers, message.properties, message.body, message.content_type

    task = app.task(lambda x, y: x, name="tasks.short", **options)
    assert made(task, {}) == made(task, {"retries": 0})
    assert made("tasks.elsewhere", {}) == made("tasks.elsewhere", {"retries": 0})
    assert (
        app.client.build(task, (1, 2)).message.headers.stamps
        is not app.client.build(task, (1, 2)).message.headers.stamps
    )


def test_a_forked_child_says_who_it_is(add: Any, app: Umbel) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, str(app.client.build(add, (1,)).message.headers.origin).encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reader, 1000).decode() == f"gen{pid}@{socket.gethostname()}"
    os.close(reader)
    os.close(writer)


def test_a_plain_call_has_the_headers_that_celery_writes(add: Any, outbox: Outbox) -> None:
    result = add.delay(2, 2)
    assert outbox.last.queue == "celery"
    assert outbox.last.due is None
    assert outbox.last.message.content_type == "application/json"
    assert outbox.last.message.custom is None
    assert outbox.arguments() == ([2, 2], {})
    assert head(outbox) == Headers(
        task="tasks.add",
        id=result.id,
        root_id=result.id,
        timelimit=(None, None),
        argsrepr="(2, 2)",
        kwargsrepr="{}",
        origin=f"gen{os.getpid()}@{socket.gethostname()}",
        ignore_result=False,
        stamps={},
    )


def test_a_plain_call_has_the_properties_that_celery_writes(add: Any, outbox: Outbox) -> None:
    result = add.delay(2, 2)
    properties = outbox.last.message.properties
    assert properties.correlation_id == result.id
    assert properties.delivery_mode == 2
    assert properties.priority == 0
    assert properties.expiration is None
    assert (properties.delivery_info.exchange, properties.delivery_info.routing_key) == ("", "celery")


def test_ids_are_uuids_that_begin_with_the_time(add: Any) -> None:
    ids = [UUID(add.delay(1).id) for _ in range(100)]
    assert len({i.int & ((1 << 62) - 1) for i in ids}) == 100
    assert all(i.version == 7 and i.variant == RFC_4122 for i in ids)
    assert {i.int >> 80 for i in ids} == {int(add.app.clock.now() * 1000)}


@pytest.mark.parametrize(
    ("option", "value", "header", "expected"),
    [
        ("task_id", "my-id", "id", "my-id"),
        ("shadow", "other", "shadow", "other"),
        ("time_limit", 5, "timelimit", (5, None)),
        ("soft_time_limit", 3, "timelimit", (None, 3)),
        ("ignore_result", True, "ignore_result", True),
        ("root_id", "root", "root_id", "root"),
        ("parent_id", "parent", "parent_id", "parent"),
        ("group_id", "g", "group", "g"),
        ("group_index", 3, "group_index", 3),
        ("retries", 2, "retries", 2),
        ("origin", "somebody", "origin", "somebody"),
        ("argsrepr", "(***)", "argsrepr", "(***)"),
        ("kwargsrepr", "{***}", "kwargsrepr", "{***}"),
        ("replaced_task_nesting", 1, "replaced_task_nesting", 1),
    ],
)
def test_options_that_are_headers(
    add: Any, outbox: Outbox, option: str, value: object, header: str, expected: object
) -> None:
    add.apply_async((1, 2), **{option: value})
    assert getattr(head(outbox), header) == expected


def test_priority_serializer_delivery_mode_and_reply_queue_are_properties(add: Any, outbox: Outbox) -> None:
    add.apply_async((1,), priority=7, serializer="json", delivery_mode=1, reply_to="back", correlation_id="c")
    properties = outbox.last.message.properties
    assert (properties.priority, properties.delivery_mode, properties.reply_to) == (7, 1, "back")
    assert properties.correlation_id == "c"


def test_a_countdown_is_an_eta_with_offset(add: Any, outbox: Outbox) -> None:
    add.apply_async((1,), countdown=90)
    assert head(outbox).eta == (NOW + timedelta(seconds=90)).isoformat()
    assert outbox.last.due == NOW.timestamp() + 90


def test_no_countdown_is_no_eta(add: Any, outbox: Outbox) -> None:
    add.apply_async((1,), countdown=0)
    assert head(outbox).eta is None
    assert outbox.last.due is None


def test_an_eta_is_kept_to_the_moment(add: Any, outbox: Outbox) -> None:
    add.apply_async((1,), eta=datetime(2030, 1, 1, 12, tzinfo=UTC))
    assert head(outbox).eta == "2030-01-01T12:00:00+00:00"
    assert outbox.last.due == datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()


def test_times_are_written_in_the_apps_zone(app: Umbel, add: Any, outbox: Outbox) -> None:
    app.conf.timezone = "Europe/Vienna"
    add.apply_async((1,), countdown=60)
    eta = head(outbox).eta
    assert eta is not None
    assert eta.endswith("+01:00")
    assert datetime.fromisoformat(eta) == NOW + timedelta(seconds=60)


def test_expiry_is_a_header_and_a_property_in_milliseconds(add: Any, outbox: Outbox) -> None:
    add.apply_async((1,), expires=10)
    assert head(outbox).expires == (NOW + timedelta(seconds=10)).isoformat()
    assert outbox.last.message.properties.expiration == "10000"


def test_own_headers_travel_beside_the_protocols(add: Any, outbox: Outbox) -> None:
    add.apply_async((1,), headers={"trace": "abc", "shadow": "s"})
    assert outbox.last.message.custom == {"trace": "abc"}
    assert head(outbox).shadow == "s"


def test_stamps_travel_under_their_names(add: Any, outbox: Outbox) -> None:
    add.apply_async((1,), stamped_headers=["job"], job="J1")
    assert head(outbox).stamped_headers == ["job"]
    assert head(outbox).stamps == {"job": "J1"}


def test_options_come_first_and_the_typed_call_last(add: Any, outbox: Outbox) -> None:
    later = add.using(queue="email").using(countdown=30, priority=5)
    later.delay(2, y=3)
    assert outbox.last.queue == "email"
    assert outbox.last.message.properties.priority == 5
    assert outbox.last.due == NOW.timestamp() + 30
    assert outbox.arguments() == ([2], {"y": 3})


def test_an_unknown_option_is_refused_with_the_nearest_one(add: Any, outbox: Outbox) -> None:
    with pytest.raises(TypeError, match="no option 'que'; did you mean 'queue'"):
        add.apply_async((1,), que="x")
    assert outbox.messages == []


def test_amqp_properties_pass(add: Any, outbox: Outbox) -> None:
    add.apply_async((1,), message_id="m", user_id="u", timestamp=1, expiration=1.5)
    assert outbox.last.message.properties.expiration == "1500"


@pytest.mark.parametrize("option", ["connection", "producer"])
def test_what_is_not_built_is_refused_unless_it_is_none(add: Any, option: str) -> None:
    add.apply_async((1,), **{option: None})
    with pytest.raises(ImproperlyConfigured, match=f"{option!r} is not built yet"):
        add.apply_async((1,), **{option: object()})


def test_a_soft_limit_over_the_hard_one_is_refused(add: Any) -> None:
    with pytest.raises(ValueError, match="soft_time_limit 5 is more than time_limit 3"):
        add.apply_async((1,), soft_time_limit=5, time_limit=3)


@pytest.mark.parametrize("given", [1, "transient"])
def test_a_delivery_mode_is_named_or_numbered(app: Umbel, add: Any, outbox: Outbox, given: Any) -> None:
    add.apply_async((1,), delivery_mode=given)
    app.task(lambda: None, name="fleeting", delivery_mode=given).delay()
    assert [one.message.properties.delivery_mode for one in outbox.messages] == [1, 1]
    add.apply_async((1,), delivery_mode="persistent")
    assert outbox.last.message.properties.delivery_mode == 2


def test_numbers_are_read_as_such(add: Any, outbox: Outbox) -> None:
    add.apply_async((1,), priority="3", time_limit=timedelta(seconds=4), soft_time_limit=3)
    assert outbox.last.message.properties.priority == 3
    assert head(outbox).timelimit == (4.0, 3)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"delivery_mode": "fast"}, r"delivery_mode is 1 \('transient'\) or 2 \('persistent'\), not 'fast'"),
        ({"time_limit": "30"}, "time_limit is a number of seconds or a timedelta, not str '30'"),
        ({"soft_time_limit": Decimal(3)}, "soft_time_limit is a number of seconds or a timedelta, not Decimal"),
        ({"priority": 2.5}, "priority is a whole number, not 2.5"),
        ({"priority": "high"}, "invalid literal"),
    ],
)
def test_what_no_worker_could_read_is_refused(add: Any, outbox: Outbox, options: dict[str, Any], why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        add.apply_async((1,), **options)
    assert outbox.messages == []


# Arguments ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        ((), {}, "missing a required argument: 'x'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"z": 1}, "unexpected keyword argument 'z'"),
        ((1,), {"x": 1}, "multiple values for argument 'x'"),
    ],
)
def test_wrong_arguments_name_the_signature(
    add: Any, outbox: Outbox, args: tuple[Any, ...], kwargs: dict[str, Any], why: str
) -> None:
    with pytest.raises(TypeError, match=r"tasks\.add\(x: int, y: int = 0\)") as caught:
        add.delay(*args, **kwargs)
    assert why in str(caught.value)
    assert outbox.messages == []


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1,), {}), ((1, 2), {}), ((1,), {"y": 2}), ((), {"x": 1}), ((), {"x": 1, "y": 2})]
)
def test_right_arguments_pass(add: Any, outbox: Outbox, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    add.delay(*args, **kwargs)
    assert outbox.arguments() == (list(args), kwargs)


def test_variable_positional_only_and_keyword_only_parameters(app: Umbel, outbox: Outbox) -> None:
    @app.task
    def many(a: int, /, b: int, *rest: int, key: int, **more: int) -> None: ...

    many.delay(1, 2, 3, 4, key=5, other=6)
    with pytest.raises(TypeError, match="'key'"):
        many.delay(1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'a'"):
        many.delay(b=2, key=3)  # type: ignore[call-arg]
    assert len(outbox.messages) == 1


def test_the_task_itself_is_no_argument_of_a_bound_task(app: Umbel, outbox: Outbox) -> None:
    @app.task(bind=True)
    def bound(self: Any, x: int) -> int:
        return x

    bound.delay(1)
    with pytest.raises(TypeError, match=r"bound\(x: int\)"):
        bound.delay(1, 2)  # type: ignore[call-arg]


def test_the_check_can_be_turned_off(app: Umbel, outbox: Outbox) -> None:
    @app.task(typing=False)
    def loose(x: int) -> int:
        return x

    loose.delay(1, 2, 3)  # type: ignore[call-arg]
    assert outbox.arguments() == ([1, 2, 3], {})


@pytest.mark.parametrize(
    ("args", "kwargs", "what"),
    [
        ((1, object()), {}, r"argument 2 \('y'\) of tasks\.add: "),
        ((1,), {"y": object()}, r"argument 'y' of tasks\.add: "),
        (({"deep": [1, object()]},), {}, r"argument 1 \('x'\) of tasks\.add, at \['deep'\]\[1\]: "),
    ],
)
def test_an_argument_that_cannot_be_serialized_is_named(
    add: Any, outbox: Outbox, args: tuple[Any, ...], kwargs: dict[str, Any], what: str
) -> None:
    with pytest.raises(EncodeError, match=what):
        add.delay(*args, **kwargs)
    assert outbox.messages == []


def test_a_large_payload_is_refused_with_advice(app: Umbel, add: Any, outbox: Outbox) -> None:
    app.conf.task_max_payload = 1000
    add.delay("x" * 900)
    with pytest.raises(PayloadTooLarge, match=r"tasks\.add.*task_max_payload.*pass its id"):
        add.delay("x" * 1000)
    app.conf.task_max_payload = None
    add.delay("x" * 1_000_000)
    assert len(outbox.messages) == 2


def test_large_arguments_are_shown_short(add: Any, outbox: Outbox) -> None:
    add.delay("x" * 5000, y=list(range(10_000)))
    shown = head(outbox)
    assert shown.argsrepr is not None
    assert shown.kwargsrepr is not None
    assert len(shown.argsrepr) <= 1024
    assert len(shown.kwargsrepr) <= 1024
    assert shown.kwargsrepr.startswith("{'y': [0, 1, 2, ")


@pytest.mark.parametrize(("args", "kwargs"), [("ab", {}), (1, {}), ((1,), [1])])
def test_arguments_of_the_wrong_kind_are_refused(add: Any, args: Any, kwargs: Any) -> None:
    with pytest.raises(TypeError, match=r"tasks\.add: (args|kwargs) is"):
        add.apply_async(args, kwargs)


# Calls by name, and calls inside tasks --------------------------------------------------------------------------------


def test_a_call_by_name_says_nothing_about_the_result(app: Umbel, outbox: Outbox) -> None:
    app.send_task("elsewhere.job", [1], {"a": 2}, queue="q")
    assert head(outbox).task == "elsewhere.job"
    assert head(outbox).ignore_result is None
    assert head(outbox).argsrepr == "[1]"
    assert outbox.last.queue == "q"


def test_a_call_inside_a_task_remembers_where_it_comes_from(app: Umbel, add: Any, outbox: Outbox) -> None:
    parent = Message(Headers("tasks.parent", "parent-id", root_id="root-id"), Properties(priority=4), b"")
    context = request.Context(parent, called_directly=False)
    token = request.push(context)
    try:
        child = add.delay(1)
        add.apply_async((1,), add_to_parent=False)
    finally:
        request.pop(token)
    first = outbox.messages[0].message
    assert (first.headers.root_id, first.headers.parent_id) == ("root-id", "parent-id")
    assert first.properties.priority == 0
    assert context.children == [child]


def test_priority_is_inherited_where_that_is_wanted(app: Umbel, add: Any, outbox: Outbox) -> None:
    app.conf.task_inherit_parent_priority = True
    parent = Message(Headers("tasks.parent", "p"), Properties(priority=4), b"")
    token = request.push(request.Context(parent, called_directly=False))
    try:
        add.delay(1)
        add.apply_async((1,), priority=2)
    finally:
        request.pop(token)
    assert [m.message.properties.priority for m in outbox.messages] == [4, 2]


# Routes ---------------------------------------------------------------------------------------------------------------


def test_routes_lose_to_the_task_and_the_task_to_the_call(app: Umbel, outbox: Outbox) -> None:
    app.conf.task_routes = {"t.*": {"queue": "routed", "priority": 1}}

    @app.task(name="t.routed")
    def routed() -> None: ...

    @app.task(name="t.own", queue="own")
    def own() -> None: ...

    routed.delay()
    own.delay()
    own.apply_async(queue="called")
    found = [(m.queue, m.message.properties.priority) for m in outbox.messages]
    assert found == [("routed", 1), ("own", 1), ("called", 1)]


def test_a_route_may_look_at_the_arguments(app: Umbel, outbox: Outbox) -> None:
    def by_size(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **kw: Any) -> Any:
        return {"queue": "big"} if args[0] > 10 else None

    app.conf.task_routes = (by_size, {"job": "small"})

    @app.task(name="job")
    def job(n: int) -> None: ...

    job.delay(11)
    job.delay(1)
    assert [m.queue for m in outbox.messages] == ["big", "small"]


def test_a_changed_setting_changes_the_next_call(app: Umbel, add: Any, outbox: Outbox) -> None:
    add.delay(1)
    app.conf.task_default_queue = "other"
    add.delay(1)
    add.priority = 3
    add.delay(1)
    assert [m.queue for m in outbox.messages] == ["celery", "other", "other"]
    assert outbox.last.message.properties.priority == 3


def test_unknown_queues_are_refused_where_that_is_wanted(app: Umbel, add: Any, outbox: Outbox) -> None:
    app.conf.task_create_missing_queues = False
    app.conf.task_queues = ["one", "celery"]
    add.apply_async((1,), queue="one")
    with pytest.raises(QueueNotFound, match="no queue 'two'; known queues: celery, one"):
        add.apply_async((1,), queue="two")
    assert len(outbox.messages) == 1


def test_an_exchange_leads_to_every_queue_that_is_bound(app: Umbel, add: Any, outbox: Outbox) -> None:
    app.conf.task_queues = {
        "a": {"exchange": "all", "exchange_type": "fanout"},
        "b": {"exchange": "all", "exchange_type": "fanout"},
    }
    add.apply_async((1,), exchange="all", routing_key="x")
    assert [m.queue for m in outbox.messages] == ["a", "b"]
    assert outbox.messages[0].message.headers.id == outbox.messages[1].message.headers.id


def test_the_clock_of_the_app_is_used(clock: TurnedClock, add: Any, outbox: Outbox) -> None:
    clock.time += 100
    add.apply_async((1,), countdown=1)
    assert outbox.last.due == clock.time + 1


def test_a_broadcast_needs_a_broker_that_gives_copies(app: Umbel, add: Any, outbox: Outbox) -> None:
    app.conf.task_queues = [Queue("celery"), Broadcast("reload")]
    with pytest.raises(ImproperlyConfigured, match=r"'reload' is a Broadcast, and the .* broker cannot"):
        add.apply_async((1,), queue="reload")
    with pytest.raises(ImproperlyConfigured, match="'reload' is a Broadcast"):
        make_plan(app, WorkerOptions())
    assert make_plan(app, WorkerOptions(exclude_queues=("reload",))).reads == ("celery",)
