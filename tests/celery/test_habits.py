"""What programs written for Celery do to an app, because they may: each habit, under Celery's names."""

import copy
import functools
import inspect
import logging
import pickle
import secrets
import typing
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from umbel.celery import Celery, Task, chain, chord, group, shared_task
from umbel.celery.app.log import TaskFormatter
from umbel.celery.exceptions import ImproperlyConfigured
from umbel.celery.kombu import Connection
from umbel.celery.local import Proxy


def an_app(**settings: Any) -> Celery:
    return Celery("habits", broker=f"memory://{secrets.token_hex(4)}", **settings)


def test_the_class_of_tasks_is_replaced_as_flask_programs_do() -> None:
    app, entered = an_app(), []
    base = app.Task

    class ContextTask(base):  # type: ignore[misc, valid-type]
        abstract = True

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            entered.append(self.name)
            return base.__call__(self, *args, **kwargs)

    app.Task = ContextTask

    @app.task(name="own")
    def own(x: int) -> int:
        return x

    @shared_task(name="shared")
    def shared(x: int) -> int:
        return x

    assert (own.apply((3,)).get(), own(4), shared(5)) == (3, 4, 5)
    assert entered == ["own", "own", "shared"]


def test_what_a_program_writes_into_settings_that_are_dicts_stays() -> None:
    app = an_app()
    app.conf.beat_schedule["nightly"] = {"task": "t", "schedule": 3}
    app.conf.broker_transport_options.update(visibility_timeout=60)
    app.conf.timezone = "Europe/Oslo"
    assert app.conf.beat_schedule == {"nightly": {"task": "t", "schedule": 3}}
    assert app.conf.changed()["broker_transport_options"] == {"visibility_timeout": 60}
    assert "result_backend_transport_options" not in app.conf.changed()
    assert not an_app().conf.beat_schedule
    assert list(app.schedules.configured()) == ["nightly"]
    app.conf.beat_schedule["hourly"] = {"task": "t", "schedule": 3600}
    assert list(app.schedules.configured()) == ["nightly", "hourly"]


def test_a_subclass_is_told_when_its_settings_are_read() -> None:
    class Watched(Celery):
        told = 0

        def on_configure(self) -> None:  # type: ignore[override]
            self.told += 1

    app = Watched("watched", broker="memory://", set_as_current=False)
    assert app.told == 0
    assert app.conf.timezone is None
    assert app.conf.enable_utc
    assert app.told == 1


def test_routes_are_asked_as_celerys_tests_of_routes_do() -> None:
    app = an_app(
        task_routes=[{"feed.*": "feeds"}, {"web.*": {"queue": "web", "priority": 3}}], task_default_queue="all"
    )
    route = app.amqp.router.route
    assert route({}, "feed.take")["queue"].name == "feeds"
    assert route({"countdown": 1}, "web.show", args=(1,)) == {
        "queue": app.amqp.queues["web"],
        "priority": 3,
        "countdown": 1,
    }
    assert route({}, "else", (), {})["queue"].name == "all"
    assert route({"queue": "own"}, "feed.take")["queue"].name == "own"
    assert route({"exchange": "x", "routing_key": "y"}, "else") == {"exchange": "x", "routing_key": "y"}


def test_results_in_memory_have_celerys_url_too() -> None:
    app = an_app(result_backend="cache+memory://")

    @app.task(name="kept")
    def kept() -> int:
        return 1

    assert vars(kept)["__qualname__"] == "test_results_in_memory_have_celerys_url_too.<locals>.kept"
    with app.Worker(pool="solo"):
        assert kept.delay().get(timeout=60) == 1


@shared_task(name="habits.triple")
def triple(x: int) -> int:
    """Three times."""
    return 3 * x


def test_a_shared_task_looks_like_its_function_and_can_be_patched_and_copied() -> None:
    an_app()
    shown: Any = triple
    assert (shown.__doc__, shown.__module__, shown.__name__) == ("Three times.", __name__, "triple")
    assert typing.get_type_hints(shown) == {"x": int, "return": int}
    assert list(inspect.signature(shown).parameters) == ["x"]
    assert "apply_async" in dir(shown)
    for other in (copy.copy(shown), copy.deepcopy(shown), pickle.loads(pickle.dumps(shown))):
        assert (other.name, other(2)) == ("habits.triple", 6)
    with mock.patch.object(shown, "apply_async") as sent:
        shown.delay(2)
    sent.assert_called_once_with((2,), {})
    with mock.patch(f"{__name__}.triple.delay") as delayed:
        triple.delay(5)
    delayed.assert_called_once_with(5)
    assert "delay" not in vars(shown)
    assert shown.apply((2,)).get() == 6


def test_a_proxy_of_ones_own_stands_for_what_it_looks_up() -> None:
    held = {"a": 1}
    proxy: Any = Proxy(lambda: held)
    proxy["b"] = 2
    del proxy["a"]
    assert (proxy["b"], len(proxy), "b" in proxy, list(proxy), str(proxy)) == (2, 1, True, ["b"], "{'b': 2}")
    assert held == {"b": 2}


def with_session(function: Callable[[str, int], Any]) -> Callable[[int], Any]:
    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        return function("session", *args, **kwargs)

    return inside


@pytest.mark.parametrize("options", [{}, {"autoretry_for": (KeyError,)}])
def test_a_decorator_may_give_the_function_more_than_its_callers_do(options: dict[str, Any]) -> None:
    app = an_app()

    def given(session: str, x: int) -> tuple[str, int]:
        return session, x

    decorated: Any = app.task(name="decorated", **options)(with_session(given))
    assert decorated.delay(3).id
    assert decorated.apply_async(kwargs={"x": 3}).id
    assert decorated.apply((3,)).get() == ("session", 3)


def test_what_a_retrying_task_takes_is_checked_all_the_same() -> None:
    app = an_app()

    @app.task(name="retrying", autoretry_for=(KeyError,))
    def retrying(x: int) -> int:
        return x

    with pytest.raises(TypeError, match=r"retrying\(x: int\) -> int: missing a required argument: 'x'"):
        retrying.apply_async()


def test_lines_of_tasks_are_formatted_as_receivers_of_the_signal_do() -> None:
    record = logging.makeLogRecord({"msg": "said"})
    assert TaskFormatter("%(task_name)s %(message)s", use_color=False).format(record) == "??? said"
    assert TaskFormatter("%(task_id)s %(message)s", False).format(record) == "??? said"


def test_calls_go_through_a_connection_or_a_producer_of_the_apps_own_broker() -> None:
    app = an_app()

    @app.task(name="shared.way")
    def way(x: int) -> int:
        return x

    with app.pool.acquire(block=True) as connection, app.producer_or_acquire() as producer:
        assert way.apply_async((1,), connection=connection).id
        assert way.apply_async((1,), publisher=producer, mandatory=False).id
        assert app.send_task("shared.way", (1,), producer=producer).id
        assert chain(way.s(1), way.s()).apply_async(producer=producer).id
        assert way.apply((1,), connection=connection).get() == 1
        assert way.apply_async((1,), connection=connection.clone()).id
    assert way.apply_async((1,), connection=Connection(app.conf.broker_url)).id
    other = Connection("memory://elsewhere")
    for call in (way.apply_async, app.tasks["shared.way"].apply, chain(way.s(), way.s()).apply_async):
        with pytest.raises(ImproperlyConfigured, match="'connection' is not built yet for another broker"):
            call((1,), connection=other)
    assert app.amqp.default_queue(app.connection()).queue_declare().message_count == 6


def test_the_setting_of_annotations_gives_all_tasks_a_hook() -> None:
    app, told = an_app(), []

    def on_failure(self: Any, error: BaseException, task_id: str, *call: Any) -> None:
        told.append((self.name, str(error), call[0]))

    app.conf.task_annotations = {"*": {"on_failure": on_failure, "rate_limit": "5/s"}}

    @app.task(name="first")
    def first() -> None:
        raise ValueError("one")

    @app.task(name="second")
    def second(x: int) -> None:
        raise ValueError("two")

    assert app.tasks["first"].rate_limit == "5/s"
    first.apply()
    second.apply((2,))
    assert told == [("first", "one", ()), ("second", "two", (2,))]


def test_a_tasks_own_apply_async_makes_all_of_its_calls() -> None:
    app = an_app(result_backend="cache+memory://")

    class OfTenant(Task[..., Any]):
        def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
            options["headers"] = {**(options.get("headers") or {}), "tenant": "t1"}
            return super().apply_async(args, kwargs, **options)

    @app.task(name="tenant", base=OfTenant, bind=True)
    def tenant(self: Any, *args: Any) -> Any:
        return self.request.get("tenant")

    @app.task(name="plain")
    def plain(found: Any) -> Any:
        return found

    with app.Worker(pool="solo"):
        assert tenant.delay().get(timeout=60) == "t1"
        assert group(tenant.s(), tenant.s())().get(timeout=60) == ["t1", "t1"]
        assert chain(plain.s(1), tenant.s())().get(timeout=60) == "t1"
        assert chord([tenant.s(), tenant.s()], plain.s())().get(timeout=60) == ["t1", "t1"]
        assert chord([plain.s(1), plain.s(2)], tenant.s())().get(timeout=60) == "t1"


def test_an_applications_own_send_task_makes_all_calls() -> None:
    class Traced(Celery):
        def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
            options["headers"] = {**(options.get("headers") or {}), "trace": name}
            return super().send_task(name, args, kwargs, **options)

    app = Traced("traced", broker=f"memory://{secrets.token_hex(4)}", backend="cache+memory://")

    @app.task(name="traced", bind=True)
    def traced(self: Any, x: int) -> Any:
        return self.request.get("trace")

    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        traced.apply_async()
    with app.Worker(pool="solo"):
        assert traced.delay(1).get(timeout=60) == "traced"
        assert group(traced.s(1), traced.s(2))().get(timeout=60) == ["traced", "traced"]
        assert chain(traced.s(1), traced.s())().get(timeout=60) == "traced"
    with mock.patch("umbel.celery.app.base.Celery.send_task") as sent:
        an_app().signature("by.name").apply_async()
    assert sent.call_args.args[0] == "by.name"
